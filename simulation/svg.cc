#include "simulation/svg.h"

#include "absl/strings/str_format.h"
#include "simulation/memory_drawing.h"

namespace tern::simulation {
namespace {

constexpr double kCharacter = 6.4;  // width, on average

}  // namespace

std::string EscapedXml(absl::string_view text) {
  std::string escaped;
  for (const std::string& character : Characters(text)) {
    if (character == "&") {
      escaped += "&amp;";
    } else if (character == "<") {
      escaped += "&lt;";
    } else if (character == ">") {
      escaped += "&gt;";
    } else if (character == "\"") {
      escaped += "&quot;";
    } else {
      escaped += character;
    }
  }
  return escaped;
}

double TextWidth(absl::string_view text) {
  return kCharacter * static_cast<double>(Characters(text).size());
}

void AppendSvgText(double x, double y, absl::string_view attributes, absl::string_view text,
                   std::string& svg) {
  absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\"%s%s>%s</text>\n", x, y,
                        attributes.empty() ? "" : " ", attributes, EscapedXml(text));
}

void AppendSvgLine(double x1, double y1, double x2, double y2, absl::string_view css_class,
                   std::string& svg) {
  absl::StrAppendFormat(&svg,
                        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n",
                        x1, y1, x2, y2, css_class);
}

void AppendSvgHead(double width, double height, absl::string_view style, std::string& svg) {
  absl::StrAppendFormat(&svg,
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
                        "viewBox=\"0 0 %.0f %.0f\">\n<style>%s</style>\n"
                        "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                        width, height, width, height, style);
}

}  // namespace tern::simulation
