#include "simulation/rate_distortion_svg.h"

#include <regex>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulation/updates.h"
#include "tests/simulation/svg_tools.h"

namespace tern::simulation {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

CodecMeasurement At(const std::string& codec, double bits, double nmse) {
  return {.codec = codec,
          .count = 1'000'000,
          .frame_bytes = static_cast<int64_t>(bits * 1'000'000 / 8),
          .nmse = nmse};
}

std::vector<CodecMeasurement> DefaultMeasurements() {
  const std::vector<float> update = DrawUpdate("gaussian", 20'000, 1).value();
  std::vector<CodecMeasurement> measurements;
  for (const std::string& codec : DefaultCodecs(update)) {
    measurements.push_back(
        MeasureCodec(compression::ParseCodec(codec).value(), update, {}).value());
  }
  return measurements;
}

struct Label {
  double left = 0;
  double right = 0;
  double y = 0;
  std::string text;
};

// With the widths that 11 pixels take in most fonts.
std::vector<Label> Labels(const std::string& svg) {
  static const std::regex kLabel(
      "<text x=\"([0-9.]+)\" y=\"([0-9.]+)\" class=\"name\"( text-anchor=\"([a-z]+)\")?>([^<]*)<");
  std::vector<Label> labels;
  for (std::sregex_iterator found(svg.begin(), svg.end(), kLabel), end; found != end; ++found) {
    const std::string anchor = (*found)[4], text = (*found)[5];
    const double width = 6.0 * static_cast<double>(text.size());
    const double left = std::stod((*found)[1]) - (anchor == "end"      ? width
                                                  : anchor == "middle" ? width / 2
                                                                       : 0.0);
    labels.push_back({left, left + width, std::stod((*found)[2]), text});
  }
  return labels;
}

TEST(RateDistortionSvg, IsWellFormed_LoadsNothing_AndNamesEveryCodec) {
  const std::vector<CodecMeasurement> measurements = DefaultMeasurements();
  const std::string svg = RateDistortionSvg("gaussian", measurements);
  EXPECT_TRUE(IsWellFormed(svg));
  EXPECT_THAT(svg, Not(HasSubstr("href")));
  EXPECT_THAT(svg, Not(HasSubstr("url(")));
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, HasSubstr("Without an error, not drawn: none (32.01 bits)"));
  EXPECT_EQ(Labels(svg).size(), measurements.size() - 1);
  for (const CodecMeasurement& measurement : measurements) {
    EXPECT_THAT(svg, HasSubstr(measurement.codec));
  }
}

TEST(RateDistortionSvg, LabelsOfTheDefaultCodecs_DoNotOverlap) {
  const std::vector<Label> labels = Labels(RateDistortionSvg("gaussian", DefaultMeasurements()));
  for (const Label& a : labels) {
    for (const Label& b : labels) {
      if (&a == &b) continue;
      EXPECT_FALSE(std::abs(a.y - b.y) < 12 && a.left < b.right && b.left < a.right)
          << a.text << " and " << b.text;
    }
  }
}

TEST(RateDistortionSvg, AMark_StandsWhereItsNumbersSay) {
  // On the bound: 2 bits, 2^-4.
  const std::string svg = RateDistortionSvg("", {At("sign", 2.0, 0.0625), At("none", 32.0, 0.0)});
  static const std::regex kMark(
      R"re(<circle cx="([0-9.]+)" cy="([0-9.]+)" r="4.5" class="dense"><title>)re");
  static const std::regex kBound(R"re(<polyline class="bound" points="([^"]*)"/>)re");
  std::smatch mark, bound;
  ASSERT_TRUE(std::regex_search(svg, mark, kMark));
  ASSERT_TRUE(std::regex_search(svg, bound, kBound));
  const double x = std::stod(mark[1]), y = std::stod(mark[2]);
  double nearest = 1e9;
  const std::string points = bound[1];
  static const std::regex kPoint("([0-9.]+),([0-9.]+)");
  for (std::sregex_iterator at(points.begin(), points.end(), kPoint), end; at != end; ++at) {
    nearest = std::min(nearest, std::hypot(std::stod((*at)[1]) - x, std::stod((*at)[2]) - y));
  }
  EXPECT_LT(nearest, 4.0);
  EXPECT_THAT(svg, HasSubstr("sign: 2 bits per parameter, NMSE 0.0625, 0.00 bits from the limit"));
}

TEST(RateDistortionSvg, ExtremeNumbers_StayInThePicture) {
  for (const auto& measurements : std::vector<std::vector<CodecMeasurement>>{
           {},
           {At("none", 32.0, 0.0)},
           {At("sign", 0.0002, 50.0), At("quantize(8)", 400.0, 1e-14)},
           {At("sign", 1.0, std::numeric_limits<double>::infinity())},
           std::vector<CodecMeasurement>(20, At("topk(0.01)|ternary|rice", 0.1, 0.9))}) {
    const std::string svg = RateDistortionSvg("<&\"\x01", measurements);
    EXPECT_TRUE(IsWellFormed(svg));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
    static const std::regex kMark(R"re(<circle cx="([0-9.]+)" cy="([0-9.]+)")re");
    for (std::sregex_iterator at(svg.begin(), svg.end(), kMark), end; at != end; ++at) {
      EXPECT_LE(std::stod((*at)[1]), 1000.0);
      EXPECT_LE(std::stod((*at)[2]), 700.0);
    }
    EXPECT_THAT(svg, Not(HasSubstr("=\"-")));
  }
}

}  // namespace
}  // namespace tern::simulation
