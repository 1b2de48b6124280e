// Where the names of marks in a plot may stand, so that they cover one another as little as
// possible.
#ifndef TERN_SIMULATION_PLOT_LABELS_H_
#define TERN_SIMULATION_PLOT_LABELS_H_

#include "absl/types/span.h"

namespace tern::simulation {

// Pixels, y downwards.
struct Point {
  double x = 0;
  double y = 0;
};

struct Box {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;

  bool operator==(const Box&) const = default;
};

inline constexpr double kMarkRadius = 4.5;
inline constexpr double kLabelHeight = 13;

struct PlotLabel {
  Point mark;
  double width = 0;
  Box place;  // chosen by PlaceLabels
};

// Where a line from the mark to the label ends. There is one where they are apart.
Point LeaderEnd(const PlotLabel& label);
bool HasLeader(const PlotLabel& label);

// Chooses places within `area`, clear of each other, of the marks, and if possible of the curve.
// The same for the same input. Takes time proportional to the square of the labels.
void PlaceLabels(const Box& area, absl::Span<const Point> curve, absl::Span<PlotLabel> labels);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_PLOT_LABELS_H_
