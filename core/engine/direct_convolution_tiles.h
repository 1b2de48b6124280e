// What the kernels of direct convolutions share with their callers, whatever the target.
#ifndef TERN_CORE_ENGINE_DIRECT_CONVOLUTION_TILES_H_
#define TERN_CORE_ENGINE_DIRECT_CONVOLUTION_TILES_H_

#include <cstdint>

#include "core/engine/gemm_blocking.h"

namespace tern {

// Output channels of one forward tile; all targets read kernels packed for the same blocks.
inline constexpr int kMaxTileChannels = 6;
inline constexpr int kMaxStripRows = 4;

// `channels` cut into blocks of at most `limit` whose sizes differ by at most one.
struct ChannelBlocks {
  int64_t channels;
  int64_t count;

  ChannelBlocks(int64_t all, int64_t limit) : channels(all), count(DivideRoundingUp(all, limit)) {}
  int64_t Start(int64_t block) const { return channels * block / count; }
  int64_t Size(int64_t block) const { return Start(block + 1) - Start(block); }
};

// A tile of the weight's gradient: of kChannels output channels, kRows rows of one input channel's
// kernels.
struct GradientTile {
  int64_t examples;
  int64_t image_stride;   // between the images of two examples
  const float* padded;    // the first element that the tile's first row meets
  const float* gradient;  // of the first output channel
  float scale;
  bool accumulate;
  float* sink;  // the first output channel's first row
  int64_t sink_stride;
};

}  // namespace tern

#endif  // TERN_CORE_ENGINE_DIRECT_CONVOLUTION_TILES_H_
