#include "server/config/yaml_to_proto.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "server/config/yaml_scalar.h"

namespace tern::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;

constexpr int64_t kMaxFileBytes = 1 << 20;

// A scalar in the place of a `message` is its `field`.
struct Shorthand {
  const char* message;
  const char* field;
};
constexpr Shorthand kShorthands[] = {
    {.message = "tern.v1.Model", .field = "zoo"},
    {.message = "tern.v1.Data", .field = "name"},
};

const FieldDescriptor* FindShorthand(const Descriptor& type) {
  for (const Shorthand& shorthand : kShorthands) {
    if (type.full_name() == shorthand.message) return type.FindFieldByName(shorthand.field);
  }
  return nullptr;
}

std::string FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return absl::StrJoin(names, ", ");
}

// Levenshtein's distance.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

// "did you mean num_rounds? ", or nothing if no field is near.
std::string DidYouMean(const Descriptor& type, absl::string_view name) {
  for (int i = 0; i < type.field_count(); ++i) {
    const std::string& field = type.field(i)->name();
    const bool part_of = name.size() > 2 && absl::StrContains(field, name);
    if (part_of || EditDistance(name, field) <= 2) {
      return absl::StrCat("did you mean ", field, "? ");
    }
  }
  return "";
}

// Walks a YAML tree and a message side by side. The depth is that of the schema, whatever the tree.
class Walker {
 public:
  // `source`: the file, or the assignment. `lines`: whether its lines mean anything.
  Walker(std::string source, bool lines, FieldOrigins* origins)
      : source_(std::move(source)), lines_(lines), origins_(origins) {}

  YamlPlace Root() const { return {.origin = source_}; }

  absl::Status MergeMessage(const YamlPlace& place, const YAML::Node& node, Message* message) {
    const Descriptor& type = *message->GetDescriptor();
    if (node.IsNull()) return absl::OkStatus();  // "task:" with nothing under it
    const FieldDescriptor* shorthand = FindShorthand(type);
    if (node.IsScalar() && shorthand != nullptr) {
      return MergeField(Within(place, shorthand->name(), node.Mark()), node, *shorthand, message);
    }
    if (!node.IsMap()) {
      return place.IllTyped(absl::StrCat("a mapping with fields of ", FieldNames(type)), node);
    }
    std::vector<const FieldDescriptor*> seen;
    for (const auto& entry : node) {
      const YAML::Node& key = entry.first;
      TERN_ASSIGN_OR_RETURN(const FieldDescriptor* field, FindField(place, key, type, seen));
      seen.push_back(field);
      TERN_RETURN_IF_ERROR(
          MergeField(Within(place, field->name(), key.Mark()), entry.second, *field, message));
    }
    return absl::OkStatus();
  }

 private:
  YamlPlace Within(const YamlPlace& parent, absl::string_view name, const YAML::Mark& mark) const {
    YamlPlace place = {.path = absl::StrCat(parent.path, parent.path.empty() ? "" : ".", name),
                       .origin = source_};
    if (lines_) absl::StrAppend(&place.origin, ":", mark.line + 1);
    return place;
  }

  // The field that `key` names; `seen` are those before it in the same mapping.
  absl::StatusOr<const FieldDescriptor*> FindField(
      const YamlPlace& parent, const YAML::Node& key, const Descriptor& type,
      const std::vector<const FieldDescriptor*>& seen) const {
    if (!key.IsScalar()) return Within(parent, "?", key.Mark()).IllTyped("a field's name", key);
    const YamlPlace place = Within(parent, key.Scalar(), key.Mark());
    const FieldDescriptor* field = type.FindFieldByName(key.Scalar());
    if (field == nullptr) {
      return place.Error(absl::StrCat("unknown field; ", DidYouMean(type, key.Scalar()),
                                      "fields of ", type.name(), ": ", FieldNames(type)));
    }
    for (const FieldDescriptor* other : seen) {
      if (other == field) return place.Error("given twice; expected once");
      const OneofDescriptor* oneof = field->real_containing_oneof();
      if (oneof != nullptr && oneof == other->real_containing_oneof()) {
        return place.Error(
            absl::StrCat("given besides ", other->name(), "; expected one of the two"));
      }
    }
    return field;
  }

  absl::Status MergeField(const YamlPlace& place, const YAML::Node& node,
                          const FieldDescriptor& field, Message* message) {
    if (origins_ != nullptr) (*origins_)[place.path] = place.origin;
    if (field.is_repeated()) return MergeList(place, node, field, message);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      return StoreScalar(place, node, field, message);
    }
    return MergeMessage(place, node, message->GetReflection()->MutableMessage(message, &field));
  }

  absl::Status MergeList(const YamlPlace& place, const YAML::Node& node,
                         const FieldDescriptor& field, Message* message) {
    const Reflection& reflection = *message->GetReflection();
    if (!node.IsSequence()) return place.IllTyped("a list", node);
    reflection.ClearField(message, &field);
    for (size_t i = 0; i < node.size(); ++i) {
      const YAML::Node element = node[i];
      YamlPlace at = Within(place, "", element.Mark());
      at.path = absl::StrCat(place.path, "[", i, "]");
      if (origins_ != nullptr) (*origins_)[at.path] = at.origin;
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        TERN_RETURN_IF_ERROR(MergeMessage(at, element, reflection.AddMessage(message, &field)));
      } else {
        TERN_RETURN_IF_ERROR(StoreScalar(at, element, field, message));
      }
    }
    return absl::OkStatus();
  }

  const std::string source_;
  const bool lines_;
  FieldOrigins* const origins_;
};

absl::Status Malformed(absl::string_view origin, const YAML::Exception& error) {
  return absl::InvalidArgumentError(absl::StrCat(origin, ": malformed YAML: ", error.msg));
}

}  // namespace

absl::Status MergeYamlFile(const std::string& path, Message* message, FieldOrigins* origins) {
  TERN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxFileBytes));
  return MergeYamlText(text, path, message, origins);
}

absl::Status MergeYamlText(absl::string_view text, const std::string& name, Message* message,
                           FieldOrigins* origins) {
  Walker walker(name, /*lines=*/true, origins);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() != 1 || documents[0].IsNull()) {
      return walker.Root().Error(absl::StrCat(
          "expected one mapping with fields of ", FieldNames(*message->GetDescriptor()), ", got ",
          documents.size() > 1 ? "several documents" : "nothing"));
    }
    return walker.MergeMessage(walker.Root(), documents[0], message);
  } catch (const YAML::Exception& error) {
    return Malformed(absl::StrCat(name, ":", error.mark.line + 1, ":", error.mark.column + 1),
                     error);
  }
}

absl::Status MergeOverride(const std::string& assignment, Message* message, FieldOrigins* origins) {
  Walker walker(absl::StrCat("--set ", assignment), /*lines=*/false, origins);
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(assignment, absl::MaxSplits('=', 1));
  if (parts.first.empty() || !absl::StrContains(assignment, '=')) {
    return walker.Root().Error("expected FIELD=VALUE, such as task.num_rounds=5");
  }
  try {
    YAML::Node node = YAML::Load(parts.second);
    if (node.IsNull()) return walker.Root().Error("expected a value after '=' ('' for empty text)");
    std::vector<std::string> names = absl::StrSplit(parts.first, '.');
    std::reverse(names.begin(), names.end());
    for (const std::string& name : names) {
      YAML::Node parent(YAML::NodeType::Map);
      parent[name] = node;
      node.reset(parent);
    }
    return walker.MergeMessage(walker.Root(), node, message);
  } catch (const YAML::Exception& error) {
    return Malformed(walker.Root().origin, error);
  }
}

}  // namespace tern::server
