#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/artifact.h"
#include "base/json.h"
#include "bundle/model_card.h"
#include "data/text/tokenizer.h"

/// The bundle: the one thing that crosses from the workshop to a runtime (docs/formats.md).
///   bundle.json  image.onnx  text.onnx  [image.onnx.data  text.onnx.data]  tokenizer/  reference.safetensors  [layers.safetensors]  [calibration.json]
/// For other runtimes alone, where asked for: model.onnx (both towers)  image_uint8.onnx (its input are bytes)
namespace edgeclip {

/// Graph inputs and outputs of the two ONNX files.
inline constexpr const char* kPixelValues = "pixel_values";  ///< (batch, 3, H, W) float32
inline constexpr const char* kPixelBytes = "pixels";         ///< (batch, H, W, 3) uint8, resized: what `--uint8-pixels` takes instead
inline constexpr const char* kImageEmbeds = "image_embeds";  ///< (batch, D) float32, unit rows
inline constexpr const char* kInputIds = "input_ids";        ///< (batch, tokens) int64
inline constexpr const char* kTextEmbeds = "text_embeds";    ///< (batch, D) float32, unit rows

/// Of an int8 bundle, how it came to be: what a plan of it follows.
struct BundleQuantization {
  std::string method = "static";     ///< "static": activations have ranges | "dynamic": weights alone are int8
  int weight_bits = 8;               ///< of 8 bits, or of 7
  std::vector<std::string> exclude;  ///< parts of names of layers that stayed float32

  template <class Visitor>
  void fields(Visitor& v) {
    v("method", method, "how activations are quantized", {"static", "dynamic"});
    v("weight_bits", weight_bits, "bits of weights");
    v("exclude", exclude, "parts of names of layers that stayed float32");
  }
  void validate(const std::string& where) const {
    if (weight_bits != 7 && weight_bits != 8) invalid_input("{}weight_bits: must be 7 or 8, is {}", where, weight_bits);
  }
};

struct Bundle {
  std::filesystem::path directory;
  ModelCard card;
  std::string precision = "fp32";  ///< "fp32" | "int8" (Q/DQ)
  BundleQuantization quantization;  ///< of int8
  Json provenance;                 ///< history: list of {"command", "version", ...}

  /// The image tower merges alike tokens: where rounding decides between two, embeddings differ by more than rounding.
  bool merges_tokens = false;
  std::filesystem::path image_onnx() const { return directory / "image.onnx"; }
  std::filesystem::path text_onnx() const { return directory / "text.onnx"; }
  std::filesystem::path reference() const { return directory / "reference.safetensors"; }
  /// May be missing: bundles of earlier versions have none.
  std::filesystem::path layers() const { return directory / "layers.safetensors"; }
  std::filesystem::path tokenizer() const { return directory / "tokenizer"; }
};

/// Reads bundle.json and checks format version, sizes and checksums of every file.  Throws InvalidInput.
Bundle open_bundle(const std::filesystem::path& directory);

/// Writes bundle.json over the files already lying in `work` (sizes and checksums are taken from them).
void write_bundle_json(const std::filesystem::path& work, const Bundle& bundle);

/// Of checkpoint folders (src/model/checkpoint.h): here, where a device without LibTorch finds it too.
/// Format 2: the base's weights lie elsewhere, or the adapter in use is not the only one, called "default".
inline constexpr ArtifactFormats kCheckpointFormats{1, 2};

}  // namespace edgeclip
