#include <png.h>

#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/atomic_output.h"
#include "base/error.h"
#include "data/image/codecs.h"
#include "data/image/exif.h"

namespace edgeclip {

namespace {

struct Failure {
  char message[128] = "";
  bool out_of_memory = false;
};

struct Source {
  const char* data;
  std::size_t size, at;
};

/// libpng's own words for it depend on what was asked for; and it must not be taken for a bad picture.
png_voidp allocate(png_structp png, png_alloc_size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) static_cast<Failure*>(png_get_mem_ptr(png))->out_of_memory = true;
  return memory;
}
void release(png_structp, png_voidp memory) { std::free(memory); }

void read_bytes(png_structp png, png_bytep out, png_size_t n) {
  auto& source = *static_cast<Source*>(png_get_io_ptr(png));
  if (n > source.size - source.at) png_error(png, "the file ends within the picture; copy it again");
  std::memcpy(out, source.data + source.at, n);
  source.at += n;
}

/// libpng's errors jump back to the step that called it; no object with a destructor lives in a step.
[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  if (auto* text = static_cast<char*>(png_get_error_ptr(png))) {
    std::strncpy(text, message, sizeof Failure::message - 1);
    text[sizeof Failure::message - 1] = 0;
  }
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

struct PngReader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::uint64_t packed_bytes = 0;  ///< of all rows, as the file has them before compression
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
};

/// Declares the conversion to 8-bit RGB: palette looked up, grey repeated, 16 bits to their upper 8, alpha
/// dropped.
bool read_header(PngReader& r, Source& source) {
  if (setjmp(png_jmpbuf(r.png))) return false;
  png_set_read_fn(r.png, &source, read_bytes);
  png_set_user_limits(r.png, 1 << 20, 1 << 20);
  png_read_info(r.png, r.info);
  r.packed_bytes = std::uint64_t{png_get_rowbytes(r.png, r.info)} * png_get_image_height(r.png, r.info);
  png_set_palette_to_rgb(r.png);
  png_set_expand_gray_1_2_4_to_8(r.png);
  png_set_gray_to_rgb(r.png);
  png_set_strip_16(r.png);
  png_set_strip_alpha(r.png);
  png_set_interlace_handling(r.png);
  png_read_update_info(r.png, r.info);
  return true;
}

bool read_rows(PngReader& r, png_bytepp rows) {
  if (setjmp(png_jmpbuf(r.png))) return false;
  png_read_image(r.png, rows);
  return true;
}

struct PngWriter {
  png_structp png = nullptr;
  png_infop info = nullptr;
  ~PngWriter() { png_destroy_write_struct(&png, &info); }
};

void write_bytes(png_structp png, png_bytep data, png_size_t n) {
  bool written = false;
  try {
    static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), n);
    written = true;
  } catch (const std::exception&) {
    static_cast<Failure*>(png_get_mem_ptr(png))->out_of_memory = true;
  }
  if (!written) png_error(png, "out of memory");
}

bool write_rows(PngWriter& w, const Image& image, png_bytepp rows, std::string* out) {
  if (setjmp(png_jmpbuf(w.png))) return false;
  png_set_write_fn(w.png, out, write_bytes, nullptr);
  png_set_IHDR(w.png, w.info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height),
               8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  char key[] = "Software", text[] = "edgeclip";  // by which base/report_file.h knows its own pictures
  png_text software{};
  software.compression = PNG_TEXT_COMPRESSION_NONE;
  software.key = key;
  software.text = text;
  software.text_length = sizeof text - 1;
  png_set_text(w.png, w.info, &software, 1);
  png_write_info(w.png, w.info);
  png_write_image(w.png, rows);
  png_write_end(w.png, w.info);
  return true;
}

std::vector<png_bytep> row_pointers(const Image& image) {
  std::vector<png_bytep> rows;
  for (int y = 0; y < image.height; ++y) rows.push_back(const_cast<png_bytep>(image.row(y)));
  return rows;
}

}  // namespace

Image decode_png(const std::string& bytes, const std::string& name, const ReadOptions& options) {
  Source source{bytes.data(), bytes.size(), 0};
  Failure failure;
  PngReader reader;
  reader.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, failure.message, on_error, on_warning,
                                        &failure, allocate, release);
  reader.info = reader.png ? png_create_info_struct(reader.png) : nullptr;
  if (!reader.info) throw std::bad_alloc();
  const auto failed = [&] {
    if (failure.out_of_memory) throw std::bad_alloc();
    invalid_input("{}: is not a readable PNG: {}", name, failure.message);
  };
  if (!read_header(reader, source)) failed();
  const std::int64_t width = png_get_image_width(reader.png, reader.info);
  const std::int64_t height = png_get_image_height(reader.png, reader.info);
  require_image_size(width, height, name);
  // Deflate makes at most 1032 bytes of one.  A file that is too small for its picture is cut off, and its
  // header would have memory asked for all the same.
  if (reader.packed_bytes / 1032 > bytes.size())
    invalid_input("{}: truncated PNG: {} bytes cannot hold {} x {} pixels; copy it again", name, bytes.size(),
                  width, height);
  Image image(static_cast<int>(width), static_cast<int>(height));
  EDGECLIP_CHECK(png_get_rowbytes(reader.png, reader.info) == static_cast<std::size_t>(width) * 3);
  auto rows = row_pointers(image);
  if (!read_rows(reader, rows.data())) failed();
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (options.upright && png_get_eXIf_1(reader.png, reader.info, &size, &exif) != 0)
    return upright(std::move(image), exif_orientation({reinterpret_cast<const char*>(exif), size}));
  return image;
}

std::string encode_png(const Image& image) {
  EDGECLIP_CHECK(image.width > 0 && image.height > 0, "an image of {} x {} pixels", image.width,
                 image.height);
  std::string bytes;
  Failure failure;
  PngWriter writer;
  writer.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, failure.message, on_error, on_warning,
                                         &failure, allocate, release);
  writer.info = writer.png ? png_create_info_struct(writer.png) : nullptr;
  if (!writer.info) throw std::bad_alloc();
  auto rows = row_pointers(image);
  if (!write_rows(writer, image, rows.data(), &bytes)) {
    if (failure.out_of_memory) throw std::bad_alloc();
    throw InternalError(std::string("libpng: ") + failure.message);
  }
  return bytes;
}

void write_png(const std::filesystem::path& path, const Image& image, Flush flush) {
  const std::string bytes = encode_png(image);
  AtomicFile file(path, flush);
  file.write(bytes);
  file.commit();
}

}  // namespace edgeclip
