#include "data/image/image.h"

#include "data/image/codecs.h"
#include "fuzz_file.h"

namespace {

/// Each pixel is read, so that one that was never allocated is found.
void look_at(const edgeclip::Image& image) {
  if (image.width < 1 || image.height < 1 ||
      image.rgb.size() !=
          std::size_t{3} * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height))
    ::abort();
  std::size_t sum = 0;
  for (std::size_t i = 0; i < image.rgb.size(); i += 64) sum += image.rgb[i];
  if (sum == static_cast<std::size_t>(-1)) ::abort();
}

}  // namespace

// JPEG and PNG, our own readers; the other formats are OpenCV's (the media module), and are left to it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const bool jpeg = bytes.compare(0, 3, "\xFF\xD8\xFF") == 0,
             png = bytes.compare(0, 8, "\x89PNG\r\n\x1A\n") == 0;
  const edgeclip::ReadOptions plain, small{true, 4, 8};
  if (jpeg || png) {
    const edgeclip::fuzz::MemoryFile file(data, size);
    edgeclip::fuzz::reads([&] { look_at(edgeclip::read_image(file.path(), small)); });
  }
  if (!png) edgeclip::fuzz::reads([&] { look_at(edgeclip::decode_jpeg(bytes, "image", plain)); });
  if (!jpeg) edgeclip::fuzz::reads([&] { look_at(edgeclip::decode_png(bytes, "image", plain)); });
  return 0;
}
