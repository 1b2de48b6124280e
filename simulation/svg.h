// What pictures are written with: SVG, coordinates in pixels, y downwards.
#ifndef TERN_SIMULATION_SVG_H_
#define TERN_SIMULATION_SVG_H_

#include <string>

#include "absl/strings/string_view.h"

namespace tern::simulation {

// `text` as XML may hold it.
std::string EscapedXml(absl::string_view text);

// About as wide as `text` is drawn at 11 pixels, in a common sans-serif font.
double TextWidth(absl::string_view text);

// Each appends one element. `attributes` stand in it as they are; `text` may be anything.
void AppendSvgText(double x, double y, absl::string_view attributes, absl::string_view text,
                   std::string& svg);
void AppendSvgLine(double x1, double y1, double x2, double y2, absl::string_view css_class,
                   std::string& svg);

// What a file of this size begins with: a white page; "</svg>" ends it.
void AppendSvgHead(double width, double height, absl::string_view style, std::string& svg);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_SVG_H_
