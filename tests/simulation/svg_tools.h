// Shorthands for tests of pictures.
#ifndef TERN_TESTS_SIMULATION_SVG_TOOLS_H_
#define TERN_TESTS_SIMULATION_SVG_TOOLS_H_

#include <regex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "simulation/memory_drawing.h"

namespace tern::simulation {

// Elements that are closed in the order in which they were opened, text without bare < and &.
inline bool IsWellFormed(const std::string& xml) {
  static const std::regex kTag(R"re(<(/?)([a-z]+)((?: [a-zA-Z0-9-]+="[^"<]*")*)(/?)>)re");
  static const std::regex kText("([^<>&]|&(amp|lt|gt|quot);)*");
  std::vector<std::string> open;
  auto position = xml.cbegin();
  for (std::sregex_iterator tag(xml.begin(), xml.end(), kTag), end; tag != end; ++tag) {
    const std::string text(position, (*tag)[0].first);
    if (!std::regex_match(text, kText)) return false;
    position = (*tag)[0].second;
    if ((*tag)[1].length() > 0) {
      if (open.empty() || open.back() != (*tag)[2]) return false;
      open.pop_back();
    } else if ((*tag)[4].length() == 0) {
      open.push_back((*tag)[2]);
    }
  }
  // Characters leaves alone what XML may hold; the only control characters end lines.
  const std::string allowed = absl::StrReplaceAll(xml, {{"\n", " "}});
  if (absl::StrJoin(Characters(allowed), "") != allowed) return false;
  return open.empty() && std::string(position, xml.cend()) == "\n" &&
         absl::StartsWith(xml, "<svg xmlns=");
}

}  // namespace tern::simulation

#endif  // TERN_TESTS_SIMULATION_SVG_TOOLS_H_
