// Writes the seeds of both corpora, from the root of the repository: the string of every codec of
// kAllCodecs, and payloads.
#include <cstdio>
#include <fstream>

#include "compression/frame.h"
#include "tests/compression/decode_property.h"

namespace tern::compression {
namespace {

bool Write(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  if (!file) std::fprintf(stderr, "cannot write %s\n", path.c_str());
  return file.good();
}

// Writes nothing where the payload is long. Returns whether all is well.
bool WriteSeed(const std::string& name, size_t codec, absl::Span<const float> values) {
  constexpr size_t kMaxBytes = 700;
  const auto count = static_cast<int64_t>(values.size());
  const DecoderContext context(count);
  const std::string frame = EncodeFrame(*EncoderOf(kAllCodecs[codec]), values, 1, *context).value();
  if (frame.size() > kMaxBytes) return true;
  const auto payload = absl::string_view(frame).substr(kFrameHeaderBytes);
  return Write("tests/fuzz/corpus/decoder/" + name,
               DecoderInput{.codec = codec, .count = count, .bytes = payload}.ToString());
}

// Of few coordinates, so that a mutation changes something; of more than one block; and of more
// than one that a seek index points to, nearly all 0.
bool WriteSeeds(size_t codec) {
  const std::string text(kAllCodecs[codec]);
  const std::string name = TestName(text);
  std::vector<float> zeros(3 * 50000, 0.0f);
  for (size_t i = 0; i < zeros.size(); i += 20000) zeros[i] = 1.0f;
  return Write("tests/fuzz/corpus/codec_string/" + name, text) &&
         WriteSeed(name, codec, RandomUpdate(80, codec)) &&
         WriteSeed(name + "_blocks", codec, RandomUpdate(600, codec)) &&
         WriteSeed(name + "_seek", codec, zeros);
}

}  // namespace
}  // namespace tern::compression

int main() {
  for (size_t codec = 0; codec < std::size(tern::compression::kAllCodecs); ++codec) {
    if (!tern::compression::WriteSeeds(codec)) return 1;
  }
  return 0;
}
