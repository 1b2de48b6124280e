// A table of numbers as a picture: each cell coloured by its number, which stands in it.
#ifndef TERN_SIMULATION_HEAT_MAP_SVG_H_
#define TERN_SIMULATION_HEAT_MAP_SVG_H_

#include <optional>
#include <string>
#include <vector>

namespace tern::simulation {

struct HeatMap {
  struct Cell {
    std::optional<double> value;  // nothing: grey
    std::string text;             // in the middle of the cell
    std::string detail;           // below it, small
    std::string tooltip;          // under the pointer
  };
  std::string title;
  std::string row_title;     // what the rows are
  std::string column_title;  // what the columns are
  std::string key_title;     // what the colours are
  std::vector<std::string> rows;
  std::vector<std::string> columns;  // "krum(f=5)" is written in two lines
  std::vector<Cell> cells;           // rows * columns, row by row
  std::vector<std::string> notes;    // lines below
};

// An SVG file. Colours are viridis (van der Walt & Smith 2015): as far apart to the eye as the
// numbers are, also to one that tells red and green badly, and in print without colours.
std::string HeatMapSvg(const HeatMap& map);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_HEAT_MAP_SVG_H_
