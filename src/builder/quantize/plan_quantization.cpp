#include "builder/quantize/plan_quantization.h"

#include <cmath>
#include <filesystem>

#include "base/log.h"
#include "builder/quantize/calibration_samples.h"
#include "bundle/excluded.h"

namespace edgeclip::builder {

using namespace engine;

namespace fs = std::filesystem;

namespace {

bool quantizes(const BuildOptions& options) {
  return options.precision == "int8" || options.precision == "mixed";
}

bool is_dataset(const std::string& path) { return fs::exists(fs::path(path) / "dataset.json"); }
bool is_folder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

CalibrationOptions calibration_options(const BuildOptions& options) {
  CalibrationOptions calibration;
  calibration.data = options.calibration;
  calibration.image_root = options.image_root;
  calibration.calibrator = options.calibrator;
  return calibration;
}

GraphQuantization uncalibrated(const BuildOptions& options, const std::string& where, const char* label) {
  GraphQuantization quantization;
  quantization.where = where;
  quantization.label = label;
  quantization.options = calibration_options(options);
  if (options.precision == "mixed") quantization.min_sqnr = options.mixed_min_sqnr;
  return quantization;
}

void refuse_without_samples(const BuildOptions& options, const char* remedy) {
  if (options.precision == "mixed")
    invalid_input("--precision mixed: measures every layer on samples; give --calibration {}", remedy);
}

void calibrate_by_file(const BuildOptions& options, const Bundle& bundle, TowerQuantizations& towers) {
  if (!options.image_root.empty())
    invalid_input("--image-root {}: goes with a dataset; --calibration {} is none", options.image_root,
                  options.calibration);
  if (options.calibrator != BuildOptions().calibrator)
    invalid_input("--calibrator {}: {} holds ranges that were chosen already; leave it out",
                  options.calibrator, options.calibration);
  refuse_without_samples(options, "DATASET");
  const Calibration file = Calibration::read(options.calibration);
  require_calibration_of(bundle, file, options.calibration);
  for (const auto& [tower, name] : {std::pair(&towers.image, "image"), std::pair(&towers.text, "text")}) {
    (*tower)->options = file.options;
    (*tower)->options.exclude = excluded_of(file.options.exclude, name);
    (*tower)->weight_bits = file.weight_bits;
  }
  towers.image->ranges = file.image;
  towers.text->ranges = file.text;
}

/// (batch, 3, H, W) float32 as the card's preprocessing gives it: the batch that it takes.
std::int64_t image_batch(const BuildOptions& options, const Graph& graph, const ModelCard& card,
                         const GraphShapes& shapes) {
  if (options.card.empty())
    invalid_input(
        "--calibration {}: is a dataset, and nothing says how the model wants its images; give --card F.json "
        "with image preprocessing, or a folder with NAME.npy of every input",
        options.calibration);
  const Shape wanted = {card.image.height, card.image.width};
  const bool image = graph.inputs.size() == 1 && graph.value(graph.inputs[0]).dtype == DType::f32 &&
                     shapes[0].range.opt.size() == 4 && shapes[0].range.opt[1] == 3;
  if (!image || shapes[0].range.opt[2] != wanted[0] || shapes[0].range.opt[3] != wanted[1])
    invalid_input(
        "--calibration {}: is a dataset, whose images are (batch, 3, {}, {}) float32 by {}; {} does not take "
        "that as its one input; give a folder with NAME.npy of every input",
        options.calibration, wanted[0], wanted[1], options.card, options.model);
  return std::min(shapes[0].range.max[0], std::max(kCalibrationBatch, shapes[0].range.min[0]));
}

}  // namespace

void check_quantization_options(const BuildOptions& options) {
  check_calibrator(options.calibrator, "--calibrator");
  if (!std::isfinite(options.mixed_min_sqnr))
    invalid_input("--mixed-min-sqnr {}: is not a number of decibels", options.mixed_min_sqnr);
  if (options.precision != "mixed" && options.mixed_min_sqnr != BuildOptions().mixed_min_sqnr)
    invalid_input("--mixed-min-sqnr {}: has no effect with --precision {}; leave it out",
                  options.mixed_min_sqnr, options.precision);
  if (!quantizes(options) && !options.calibration.empty())
    invalid_input("--calibration {}: has no effect with --precision {}; leave it out", options.calibration,
                  options.precision);
  if (!options.calibration.empty()) return;
  if (options.calibrator != BuildOptions().calibrator)
    invalid_input("--calibrator {}: has no effect without --calibration; leave it out", options.calibrator);
  if (!options.image_root.empty())
    invalid_input("--image-root {}: has no effect without --calibration DATASET; leave it out",
                  options.image_root);
}

std::string calibration_for(const BuildOptions& options, const Bundle& bundle) {
  const fs::path own = bundle.directory / kCalibrationFile;
  if (bundle.precision != "fp32" || options.precision != "int8" || !options.calibration.empty() || !fs::exists(own))
    return options.calibration;
  spdlog::info("{}: its ranges are used, which the model was trained with; --calibration names others", own.string());
  return own.string();
}

TowerQuantizations quantization_of(const BuildOptions& options, const Bundle& bundle) {
  if (bundle.precision == "int8") {
    if (options.precision != "int8")
      invalid_input("{}: holds an int8 model; use --precision int8, or the fp32 bundle that it was made from",
                    options.bundle);
    if (!options.calibration.empty())
      invalid_input("--calibration {}: has no effect, {} is int8 already; leave it out", options.calibration,
                    options.bundle);
  } else if (!quantizes(options)) {
    return {};
  }
  TowerQuantizations towers{uncalibrated(options, options.bundle, "image tower"),
                            uncalibrated(options, options.bundle, "text tower")};
  if (bundle.precision == "int8") {
    for (const auto& [tower, name] : {std::pair(&towers.image, "image"), std::pair(&towers.text, "text")}) {
      (*tower)->options.exclude = excluded_of(bundle.quantization.exclude, name);
      (*tower)->weight_bits = bundle.quantization.weight_bits;  // the same integers come out again
      // Its Q/DQ pairs say what is int8, but for patches, for which ONNX has no words.
      if (bundle.quantization.method == "static") (*tower)->ranges.emplace();
    }
    return towers;
  }
  if (options.calibration.empty()) {
    refuse_without_samples(options, "DATASET");
  } else if (is_folder(options.calibration)) {
    const CalibrationOptions& calibration = towers.image->options;
    const auto dataset =
        std::make_shared<const Dataset>(open_dataset_with_images(options.calibration, options.image_root));
    // The bundle's own tokenizer: the dataset may have been prepared with another.
    const auto tokenizer = load_tokenizer(bundle.tokenizer().string());
    towers.image->samples = dataset_images(dataset, calibration, bundle.card.image, kCalibrationBatch);
    towers.text->samples = dataset_texts(dataset, calibration, tokenizer, bundle.card.context_length);
  } else {
    calibrate_by_file(options, bundle, towers);
  }
  return towers;
}

GraphQuantization quantization_of(const BuildOptions& options, const Graph& graph, const ModelCard& card,
                                  const GraphShapes& shapes) {
  GraphQuantization quantization = uncalibrated(options, options.model, "model");
  quantization.options.exclude.clear();  // those are names of our own exports
  if (options.calibration.empty()) {
    refuse_without_samples(options, "FOLDER, with NAME.npy of every input");
    return quantization;
  }
  if (!is_folder(options.calibration))
    invalid_input(
        "--calibration {}: is no folder; give one with NAME.npy of every input of {}, or a prepared dataset",
        options.calibration, options.model);
  if (is_dataset(options.calibration)) {
    const std::int64_t batch = image_batch(options, graph, card, shapes);
    const auto dataset =
        std::make_shared<const Dataset>(open_dataset_with_images(options.calibration, options.image_root));
    quantization.samples = dataset_images(dataset, quantization.options, card.image, batch);
    if (quantization.samples->samples() % shapes[0].range.min[0] != 0 &&
        shapes[0].range.min[0] == shapes[0].range.max[0])
      invalid_input("--calibration {}: has {} images of the train split, the model takes {} at once",
                    options.calibration, quantization.samples->samples(), batch);
    return quantization;
  }
  if (!options.image_root.empty())
    invalid_input("--image-root {}: goes with a dataset; --calibration {} is none", options.image_root,
                  options.calibration);
  quantization.samples = folder_samples(options.calibration, graph);
  return quantization;
}

}  // namespace edgeclip::builder
