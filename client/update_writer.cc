#include "client/update_writer.h"

#include "compression/frame.h"
#include "core/base/status_macros.h"
#include "core/wire/serialize.h"

namespace tern::client {
namespace {

// Encodes behind what is in `out`.
absl::Status AppendSection(const compression::Encoder& encoder, uint64_t model_version,
                           const SectionValues& section, std::string& out) {
  std::vector<char> scratch(static_cast<size_t>(encoder.ScratchBytes(section.context)));
  return compression::AppendFrame(encoder,
                                  {.values = section.values,
                                   .model_version = model_version,
                                   .context = section.context,
                                   .scratch = absl::MakeSpan(scratch)},
                                  out);
}

}  // namespace

absl::StatusOr<std::vector<absl::string_view>> WriteUpdate(const Update& update,
                                                           const compression::CodecSpec& codec,
                                                           uint64_t model_version,
                                                           absl::Span<const SectionValues> sections,
                                                           std::string& out) {
  const auto encoder = compression::MakeEncoder(codec);
  std::vector<int64_t> frame_bytes;
  for (const SectionValues& section : sections) {
    frame_bytes.push_back(compression::MaxFrameBytes(*encoder, section.context));
  }
  // Frames stand behind room for the longest that may come before them, and move up once it is
  // known what does.
  const UpdateEnvelope longest = MakeUpdateEnvelope(update, frame_bytes);
  std::vector<size_t> begins;
  out.clear();
  for (size_t i = 0; i < sections.size(); ++i) {
    out.resize(out.size() + longest.before[i].size());
    begins.push_back(out.size());
    TERN_RETURN_IF_ERROR(AppendSection(*encoder, model_version, sections[i], out));
    frame_bytes[i] = static_cast<int64_t>(out.size() - begins[i]);
  }
  const UpdateEnvelope envelope = MakeUpdateEnvelope(update, frame_bytes);
  for (size_t i = sections.size(); i-- > 0;) {
    const size_t room = longest.before[i].size();
    out.replace(begins[i] - room, room, envelope.before[i]);
  }
  out.append(envelope.after);
  std::vector<absl::string_view> payloads;
  size_t at = 0;
  for (size_t i = 0; i < sections.size(); ++i) {
    at += envelope.before[i].size();
    const auto frame = absl::string_view(out).substr(at, static_cast<size_t>(frame_bytes[i]));
    payloads.push_back(frame.substr(compression::kFrameHeaderBytes));
    at += frame.size();
  }
  return payloads;
}

}  // namespace tern::client
