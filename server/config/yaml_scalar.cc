#include "server/config/yaml_scalar.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"

namespace tern::server {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Describe(const YAML::Node& node) {
  constexpr size_t kMaxQuoted = 60;
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  if (!node.IsScalar()) return "nothing";
  const std::string& text = node.Scalar();
  if (text.size() <= kMaxQuoted) return absl::StrCat("'", text, "'");
  return absl::StrCat("'", text.substr(0, kMaxQuoted), "...'");
}

// The text of a scalar without quotes; a number or a truth value must not have any.
absl::string_view PlainText(const YAML::Node& node) {
  if (!node.IsScalar() || node.Tag() == "!") return "";
  return node.Scalar();
}

bool IsDigits(absl::string_view text) {
  if (absl::StartsWith(text, "-") || absl::StartsWith(text, "+")) text.remove_prefix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

template <typename T>
absl::StatusOr<T> ParseInteger(const YamlPlace& place, const YAML::Node& node) {
  const absl::string_view text = PlainText(node);
  if (!IsDigits(text)) return place.IllTyped("an integer", node);
  T value;
  if (absl::SimpleAtoi(text, &value)) return value;
  return place.IllTyped(absl::StrCat("an integer from ", std::numeric_limits<T>::min(), " to ",
                                     std::numeric_limits<T>::max()),
                        node);
}

template <typename T>
absl::StatusOr<T> ParseNumber(const YamlPlace& place, const YAML::Node& node) {
  const absl::string_view text = PlainText(node);
  T value;
  bool parsed = false;
  if constexpr (std::is_same_v<T, float>) {
    parsed = absl::SimpleAtof(text, &value);
  } else {
    parsed = absl::SimpleAtod(text, &value);
  }
  if (parsed && std::isfinite(value)) return value;
  if (!parsed) return place.IllTyped("a finite number", node);
  return place.IllTyped(absl::StrCat("a finite number, at most ", std::numeric_limits<T>::max()),
                        node);
}

absl::StatusOr<bool> ParseBool(const YamlPlace& place, const YAML::Node& node) {
  const absl::string_view text = PlainText(node);
  if (text != "true" && text != "false") return place.IllTyped("true or false", node);
  return text == "true";
}

// Every scalar is text: a task may be called 7.
absl::StatusOr<std::string> ParseText(const YamlPlace& place, const YAML::Node& node) {
  if (node.IsNull()) return place.IllTyped("text ('' for none)", node);
  if (!node.IsScalar()) return place.IllTyped("text", node);
  if (!google::protobuf::internal::IsStructurallyValidUTF8(node.Scalar())) {
    return place.Error("expected text in UTF-8, got other bytes");
  }
  return node.Scalar();
}

std::string EnumNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    const std::string& name = type.value(i)->name();
    // By protobuf's convention this one stands for "not given".
    if (!absl::EndsWith(name, "_UNSPECIFIED")) names.push_back(name);
  }
  return absl::StrJoin(names, ", ");
}

absl::StatusOr<int> ParseEnum(const YamlPlace& place, const YAML::Node& node,
                              const EnumDescriptor& type) {
  const auto* value = node.IsScalar() ? type.FindValueByName(node.Scalar()) : nullptr;
  if (value == nullptr) return place.IllTyped(absl::StrCat("one of ", EnumNames(type)), node);
  return value->number();
}

struct Target {
  const FieldDescriptor& field;
  Message* message;

  template <typename T>
  using Accessor = void (Reflection::*)(Message*, const FieldDescriptor*, T) const;

  template <typename T>
  absl::Status Store(absl::StatusOr<T> value, Accessor<T> set, Accessor<T> add) const {
    if (!value.ok()) return value.status();
    const Reflection& reflection = *message->GetReflection();
    (reflection.*(field.is_repeated() ? add : set))(message, &field, *std::move(value));
    return absl::OkStatus();
  }
};

}  // namespace

absl::Status YamlPlace::Error(absl::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrCat(origin, ": ", path, path.empty() ? "" : ": ", what));
}

absl::Status YamlPlace::IllTyped(absl::string_view expected, const YAML::Node& node) const {
  return Error(absl::StrCat("expected ", expected, ", got ", Describe(node)));
}

absl::Status StoreScalar(const YamlPlace& place, const YAML::Node& node,
                         const FieldDescriptor& field, Message* message) {
  const Target target{field, message};
  using R = Reflection;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return target.Store(ParseInteger<int32_t>(place, node), &R::SetInt32, &R::AddInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return target.Store(ParseInteger<int64_t>(place, node), &R::SetInt64, &R::AddInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return target.Store(ParseInteger<uint32_t>(place, node), &R::SetUInt32, &R::AddUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return target.Store(ParseInteger<uint64_t>(place, node), &R::SetUInt64, &R::AddUInt64);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return target.Store(ParseNumber<float>(place, node), &R::SetFloat, &R::AddFloat);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return target.Store(ParseNumber<double>(place, node), &R::SetDouble, &R::AddDouble);
    case FieldDescriptor::CPPTYPE_BOOL:
      return target.Store(ParseBool(place, node), &R::SetBool, &R::AddBool);
    case FieldDescriptor::CPPTYPE_STRING:
      return target.Store(ParseText(place, node), &R::SetString, &R::AddString);
    case FieldDescriptor::CPPTYPE_ENUM:
      return target.Store(ParseEnum(place, node, *field.enum_type()), &R::SetEnumValue,
                          &R::AddEnumValue);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return place.Error("holds messages, not values");
}

}  // namespace tern::server
