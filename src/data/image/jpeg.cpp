#include <cstddef>
#include <cstdio>
// jpeglib.h needs size_t and FILE declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <new>

#include "base/error.h"
#include "data/image/codecs.h"
#include "data/image/exif.h"

namespace edgeclip {

namespace {

/// Progressive files may repeat scans without end; real ones have about ten.
constexpr int kMaxScans = 500;
constexpr int kExifMarker = JPEG_APP0 + 1;

/// libjpeg reports errors by a call that must not return: it jumps back to the step that called libjpeg.  No
/// object with a destructor lives in a step, so the jump skips none.
struct Decoder {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape;
  bool created = false;
  char message[JMSG_LENGTH_MAX] = "";

  ~Decoder() {
    if (created) jpeg_destroy_decompress(&info);
  }
};

Decoder& decoder_of(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }

[[noreturn]] void fail(j_common_ptr info) {
  Decoder& decoder = decoder_of(info);
  info->err->format_message(info, decoder.message);
  std::longjmp(decoder.escape, 1);
}

/// Warnings are repaired silently, as Pillow does, but for a premature end: half a picture is no picture.
void on_message(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) fail(info);
}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  info->err->msg_code = JERR_BAD_PROGRESSION;
  fail(info);
}

/// The largest of 8, 4, 2 that leaves enough pixels, or 1.
int scale_of(const jpeg_decompress_struct& info, const ReadOptions& options) {
  if (options.least_width < 1 || options.least_height < 1) return 1;
  for (const unsigned n : {8u, 4u, 2u})
    if ((info.image_width + n - 1) / n >= static_cast<unsigned>(options.least_width) &&
        (info.image_height + n - 1) / n >= static_cast<unsigned>(options.least_height))
      return static_cast<int>(n);
  return 1;
}

bool read_header(Decoder& d, const std::string& bytes, const ReadOptions& options) {
  if (setjmp(d.escape)) return false;
  d.info.err = jpeg_std_error(&d.errors);
  d.errors.error_exit = fail;
  d.errors.emit_message = on_message;
  d.info.client_data = &d;
  jpeg_create_decompress(&d.info);  // clears everything but err and client_data
  d.created = true;
  d.progress.progress_monitor = on_progress;
  d.info.progress = &d.progress;
  jpeg_mem_src(&d.info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  if (options.upright) jpeg_save_markers(&d.info, kExifMarker, 0xFFFF);
  jpeg_read_header(&d.info, TRUE);
  d.info.scale_num = 1;
  d.info.scale_denom = static_cast<unsigned>(scale_of(d.info, options));
  jpeg_calc_output_dimensions(&d.info);
  d.info.out_color_space = d.info.num_components == 4 ? JCS_CMYK : JCS_RGB;
  return true;
}

bool read_rows(Decoder& d, std::uint8_t* out, std::size_t stride) {
  if (setjmp(d.escape)) return false;
  jpeg_start_decompress(&d.info);
  while (d.info.output_scanline < d.info.output_height) {
    JSAMPROW row = out + d.info.output_scanline * stride;
    jpeg_read_scanlines(&d.info, &row, 1);
  }
  return true;
}

/// Whether a file of so many bytes can hold the picture that its header declares: each block of 8 x 8 samples
/// takes a Huffman code at least.  One that cannot is cut off, and its header asks for memory all the same.
bool may_hold_its_blocks(const jpeg_decompress_struct& info, std::size_t bytes) {
  if (info.arith_code) return true;  // less than a bit for a block
  std::uint64_t blocks = 0;
  for (int c = 0; c < info.num_components; ++c)
    blocks += std::uint64_t{info.comp_info[c].width_in_blocks} * info.comp_info[c].height_in_blocks;
  return blocks / 8 <= bytes;
}

/// 1 where no EXIF block was kept.
int orientation_of(const jpeg_decompress_struct& info) {
  for (const jpeg_marker_struct* m = info.marker_list; m != nullptr; m = m->next)
    if (m->marker == kExifMarker)
      return exif_orientation({reinterpret_cast<const char*>(m->data), m->data_length});
  return 1;
}

/// Pillow's integers: undo Adobe's inversion, then R = nk - C * nk / 255 with nk = 255 - K.
Image from_inverted_cmyk(const std::vector<std::uint8_t>& cmyk, int width, int height) {
  Image image(width, height);
  for (std::size_t i = 0; i < cmyk.size() / 4; ++i) {
    const int nk = cmyk[4 * i + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const int t = (255 - cmyk[4 * i + c]) * nk + 128;
      const int value = nk - (((t >> 8) + t) >> 8);
      image.rgb[3 * i + c] = static_cast<std::uint8_t>(value < 0 ? 0 : value);
    }
  }
  return image;
}

}  // namespace

Image decode_jpeg(const std::string& bytes, const std::string& name, const ReadOptions& options) {
  Decoder decoder;
  const auto failed = [&] {
    if (decoder.info.err && decoder.errors.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    if (decoder.info.err && decoder.errors.msg_code == JWRN_JPEG_EOF)
      invalid_input("{}: truncated JPEG: the file ends within the picture; copy it again", name);
    invalid_input("{}: is not a readable JPEG: {}", name, decoder.message);
  };
  if (!read_header(decoder, bytes, options)) failed();
  require_image_size(decoder.info.image_width, decoder.info.image_height, name);
  if (!may_hold_its_blocks(decoder.info, bytes.size()))
    invalid_input("{}: truncated JPEG: {} bytes cannot hold {} x {} pixels; copy it again", name,
                  bytes.size(), decoder.info.image_width, decoder.info.image_height);
  const std::int64_t width = decoder.info.output_width, height = decoder.info.output_height;
  const int orientation = orientation_of(decoder.info);
  if (decoder.info.out_color_space == JCS_CMYK) {
    std::vector<std::uint8_t> cmyk(static_cast<std::size_t>(width * height) * 4);
    if (!read_rows(decoder, cmyk.data(), static_cast<std::size_t>(width) * 4)) failed();
    return upright(from_inverted_cmyk(cmyk, static_cast<int>(width), static_cast<int>(height)), orientation);
  }
  Image image(static_cast<int>(width), static_cast<int>(height));
  if (!read_rows(decoder, image.rgb.data(), static_cast<std::size_t>(width) * 3)) failed();
  return upright(std::move(image), orientation);
}

}  // namespace edgeclip
