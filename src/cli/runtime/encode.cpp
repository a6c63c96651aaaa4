#include <algorithm>
#include <cstring>

#include "base/atomic_output.h"
#include "base/npy.h"
#include "base/progress.h"
#include "base/report_file.h"
#include "base/signals.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/encoder_source.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/texts.h"
#include "retrieval/encode.h"
#include "retrieval/index/image_source.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

struct Options : EncoderSource {
  std::string out, images, image_root, texts, pixels, tokens;
  int batch = 32;

  template <class Visitor>
  void fields(Visitor& v) {
    source_fields(v);
    v("out", out, "folder for image.npy and text.npy, a unit row per input");
    v("images", images, "folder of images (in order of their names), list of paths, or prepared dataset");
    v("image_root", image_root, "of a dataset: the folder of its images, where they were moved");
    v("texts", texts, "file of texts: one per line, or a JSON list");
    v("pixels", pixels, "instead of images: the model's exact input, .npy (B, 3, H, W) float32");
    v("tokens", tokens, "instead of texts: the model's exact input, .npy (B, T) int32 or int64");
    v("batch", batch, "inputs encoded at once");
  }
};

/// Rows [begin, end) of a tensor, without a copy.
TensorView rows_of(const Tensor& tensor, std::int64_t begin, std::int64_t end) {
  TensorView view = tensor.view();
  const std::size_t row = tensor.dim(0) == 0 ? 0 : tensor.bytes() / static_cast<std::size_t>(tensor.dim(0));
  view.data += static_cast<std::size_t>(begin) * row;
  view.shape[0] = end - begin;
  return view;
}

/// Calls encode on [begin, end) pieces and joins its rows: (n, dim).
template <class Encode>
Tensor encode_all(Encoder& encoder, const char* label, std::int64_t n, int batch, const Encode& encode) {
  const std::int64_t dim = encoder.card().embedding_dim;
  Tensor all(DType::f32, {n, dim});
  Progress progress(label, n, "inputs");
  for (std::int64_t begin = 0; begin < n; begin += batch) {
    throw_if_interrupted();
    const std::int64_t end = std::min<std::int64_t>(n, begin + batch);
    const Tensor rows = encode(begin, end);
    check_embeddings(rows, end - begin, encoder);
    std::memcpy(all.data<float>() + begin * dim, rows.raw(), rows.bytes());
    progress.advance(end - begin);
  }
  return all;
}

Tensor encode_image_inputs(Encoder& encoder, const Options& options) {
  if (!options.pixels.empty()) {
    const Tensor pixels = read_npy(options.pixels);
    const Shape wanted = {pixels.shape().empty() ? 0 : pixels.dim(0), 3, encoder.card().image.height,
                          encoder.card().image.width};
    if (pixels.dtype() != DType::f32 || pixels.shape() != wanted)
      invalid_input("{}: expected float32 (B, 3, {}, {}), found {} {}", options.pixels, wanted[2], wanted[3],
                    dtype_name(pixels.dtype()), shape_string(pixels.shape()));
    return encode_all(encoder, "encode pixels", pixels.dim(0), options.batch,
                      [&](std::int64_t begin, std::int64_t end) {
                        return encoder.encode_images(rows_of(pixels, begin, end));
                      });
  }
  const ImageSource source = open_image_source(options.images, "all", options.image_root);
  if (source.kind == "video")
    invalid_input("{}: is a video; index its frames with the command index", options.images);
  std::vector<fs::path> paths;
  for (const auto& item : source.items) paths.push_back(source.image_root / item.path);
  Progress progress("encode images", static_cast<std::int64_t>(paths.size()), "images");
  return encode_image_files(encoder, paths, options.batch, [&](std::int64_t n) { progress.advance(n); });
}

Tensor encode_text_inputs(Encoder& encoder, const Options& options) {
  const int context = encoder.card().context_length;
  if (!options.tokens.empty()) {
    Tensor tokens = read_npy(options.tokens);
    const bool integers = tokens.dtype() == DType::i32 || tokens.dtype() == DType::i64;
    if (!integers || tokens.shape().size() != 2 || tokens.dim(1) < 1 || tokens.dim(1) > context)
      invalid_input("{}: expected int32 or int64 (B, T) with T from 1 to {}, found {} {}", options.tokens,
                    context, dtype_name(tokens.dtype()), shape_string(tokens.shape()));
    Tensor ids(DType::i32, tokens.shape());
    for (std::int64_t i = 0; i < tokens.elements(); ++i) {
      const std::int64_t id =
          tokens.dtype() == DType::i32 ? tokens.data<std::int32_t>()[i] : tokens.data<std::int64_t>()[i];
      if (id < 0 || id >= encoder.card().vocab_size)
        invalid_input("{}: element {}: {} is no token id below vocab_size {}", options.tokens, i, id,
                      encoder.card().vocab_size);
      ids.data<std::int32_t>()[i] = static_cast<std::int32_t>(id);
    }
    return encode_all(encoder, "encode tokens", ids.dim(0), options.batch,
                      [&](std::int64_t begin, std::int64_t end) {
                        return encoder.encode_tokens(rows_of(ids, begin, end));
                      });
  }
  require_tokenizer(encoder, options.path());
  const auto texts = read_texts(options.texts);
  warn_of_unseen(*encoder.tokenizer(), texts, context);
  return encode_texts(encoder, texts, options.batch);
}

class EncodeCommand : public OptionsCommand<Options> {
 public:
  using OptionsCommand::OptionsCommand;
  const char* name() const override { return "encode"; }
  const char* summary() const override { return "Writes the embeddings of images and texts as .npy files"; }
  const char* example() const override {
    return "encode --plan plan/ --images crops/ --texts queries.txt --out embeddings/";
  }

 protected:
  Json execute(const Options& options) override {
    require(options.out, "--out");
    if (!options.images.empty() && !options.pixels.empty())
      invalid_input("--images and --pixels exclude each other; name one of them");
    if (!options.texts.empty() && !options.tokens.empty())
      invalid_input("--texts and --tokens exclude each other; name one of them");
    const bool image = !options.images.empty() || !options.pixels.empty();
    const bool text = !options.texts.empty() || !options.tokens.empty();
    if (!image && !text) invalid_input("nothing to encode: name --images, --texts, --pixels or --tokens");
    if (options.batch < 1) invalid_input("--batch {}: must be at least 1", options.batch);
    const fs::path out = options.out;
    for (const char* name : {"image.npy", "text.npy"})
      if (name[0] == 'i' ? image : text)
        require_report_output(out / name, ReportKind::kNpy,
                              {options.images, options.texts, options.pixels, options.tokens});
    const auto encoder = options.open();

    // Both before either is written: a fault in the texts leaves no half of the output.
    const Tensor images = image ? encode_image_inputs(*encoder, options) : Tensor();
    const Tensor texts = text ? encode_text_inputs(*encoder, options) : Tensor();
    Json report = {{"encoder", options.path()}, {"model_hash", encoder->model_hash()}, {"out", options.out}};
    for (const auto& [key, rows] :
         {std::pair<const char*, const Tensor*>{"image", &images}, {"text", &texts}}) {
      if (!rows->defined()) continue;
      const fs::path file = out / (std::string(key) + ".npy");
      write_npy(file, *rows);
      report[key] = rows->shape();
      print(fmt::format("{}: {}\n", file.string(), shape_string(rows->shape())));
    }
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> encode_command(const OpenCheckpoint& open_checkpoint) {
  Options defaults;
  defaults.open_checkpoint = open_checkpoint;
  return std::make_unique<EncodeCommand>(std::move(defaults));
}

}  // namespace edgeclip
