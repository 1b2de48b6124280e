// What a dense or conv2d layer does to its output on the way out, in place of the layer behind it.
#ifndef TERN_CORE_ENGINE_ACTIVATION_H_
#define TERN_CORE_ENGINE_ACTIVATION_H_

namespace tern {

enum class Activation { kNone, kRelu, kRelu6 };

}  // namespace tern

#endif  // TERN_CORE_ENGINE_ACTIVATION_H_
