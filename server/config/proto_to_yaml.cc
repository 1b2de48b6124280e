#include "server/config/proto_to_yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace tern::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The shortest text that reads back as the same number.
template <typename T>
std::string NumberText(T value) {
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end.ptr);
}

// True for what no reader of YAML takes for anything but text.
bool IsPlainWord(absl::string_view text) {
  if (text.empty() || !absl::ascii_isalpha(text[0])) return false;
  const bool safe = std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/';
  });
  const std::string lower = absl::AsciiStrToLower(text);
  const absl::string_view reserved[] = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};
  return safe && std::find(std::begin(reserved), std::end(reserved), lower) == std::end(reserved);
}

void EmitText(const std::string& text, YAML::Emitter& out) {
  if (!IsPlainWord(text)) out << YAML::DoubleQuoted;
  out << text;
}

void EmitMessage(const Message& message, YAML::Emitter& out);

// The value of `field`, or its element `i` if it is repeated.
void EmitValue(const Message& message, const FieldDescriptor& field, int i, YAML::Emitter& out) {
  using R = Reflection;
  const R& reflection = *message.GetReflection();
  const auto value = [&](auto get, auto get_repeated) {
    return field.is_repeated() ? (reflection.*get_repeated)(message, &field, i)
                               : (reflection.*get)(message, &field);
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return void(out << value(&R::GetInt32, &R::GetRepeatedInt32));
    case FieldDescriptor::CPPTYPE_INT64:
      return void(out << value(&R::GetInt64, &R::GetRepeatedInt64));
    case FieldDescriptor::CPPTYPE_UINT32:
      return void(out << value(&R::GetUInt32, &R::GetRepeatedUInt32));
    case FieldDescriptor::CPPTYPE_UINT64:
      return void(out << value(&R::GetUInt64, &R::GetRepeatedUInt64));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return void(out << NumberText(value(&R::GetFloat, &R::GetRepeatedFloat)));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return void(out << NumberText(value(&R::GetDouble, &R::GetRepeatedDouble)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return void(out << value(&R::GetBool, &R::GetRepeatedBool));
    case FieldDescriptor::CPPTYPE_STRING:
      return EmitText(value(&R::GetString, &R::GetRepeatedString), out);
    case FieldDescriptor::CPPTYPE_ENUM:
      return void(out << value(&R::GetEnum, &R::GetRepeatedEnum)->name());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return EmitMessage(field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, i)
                                             : reflection.GetMessage(message, &field),
                         out);
  }
}

void EmitField(const Message& message, const FieldDescriptor& field, YAML::Emitter& out) {
  out << YAML::Key << field.name() << YAML::Value;
  if (!field.is_repeated()) return EmitValue(message, field, 0, out);
  const int size = message.GetReflection()->FieldSize(message, &field);
  const bool block = size > 0 && field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  out << (block ? YAML::Block : YAML::Flow) << YAML::BeginSeq;
  for (int i = 0; i < size; ++i) EmitValue(message, field, i, out);
  out << YAML::EndSeq;
}

void EmitMessage(const Message& message, YAML::Emitter& out) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  std::vector<const FieldDescriptor*> fields;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    const bool in_oneof = field->real_containing_oneof() != nullptr;
    if (!in_oneof || message.GetReflection()->HasField(message, field)) fields.push_back(field);
  }
  out << (fields.empty() ? YAML::Flow : YAML::Block) << YAML::BeginMap;
  for (const FieldDescriptor* field : fields) EmitField(message, *field, out);
  out << YAML::EndMap;
}

}  // namespace

std::string ToYaml(const Message& message) {
  YAML::Emitter out;
  EmitMessage(message, out);
  return absl::StrCat(out.c_str(), "\n");
}

}  // namespace tern::server
