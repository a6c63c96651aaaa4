#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "base/npy.h"
#include "builder/quantize/calibration_samples.h"

namespace edgeclip::builder {

using namespace engine;

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kAny = -1;

/// An input as the model declares it.
struct DeclaredInput {
  std::string name;
  DType dtype;
  std::optional<Shape> shape;  ///< kAny: dynamic
};

std::vector<DeclaredInput> declared_inputs(const Graph& graph) {
  std::vector<DeclaredInput> inputs;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    inputs.push_back({value.name, value.dtype, value.shape});
  }
  return inputs;
}

std::string declared(const DeclaredInput& input) {
  std::string text = std::string(dtype_name(input.dtype)) + " (";
  for (std::size_t d = 0; input.shape && d < input.shape->size(); ++d)
    text += (d ? ", " : "") + ((*input.shape)[d] == kAny ? "?" : std::to_string((*input.shape)[d]));
  return text + (input.shape ? ")" : "...)");
}

fs::path input_file(const fs::path& folder, const DeclaredInput& input) {
  std::string name = input.name;
  std::replace(name.begin(), name.end(), '/', '_');
  return folder / (name + ".npy");
}

/// The array, which stays mapped; `from`: the first dimension that has to be as declared.
Tensor read_input(const fs::path& folder, const DeclaredInput& input, std::size_t from) {
  const fs::path file = input_file(folder, input);
  std::error_code error;
  if (!fs::exists(file, error))
    invalid_input("{}: is missing; --calibration takes NAME.npy of every input, {} is {}", file.string(),
                  input.name, declared(input));
  Tensor tensor = map_npy(file);
  const bool ids = input.dtype == DType::i64 && tensor.dtype() == DType::i32;
  bool fits = tensor.dtype() == input.dtype || ids;
  if (input.shape) {
    fits = fits && tensor.shape().size() == input.shape->size();
    for (std::size_t d = from; fits && d < input.shape->size(); ++d)
      fits = (*input.shape)[d] == kAny || (*input.shape)[d] == tensor.shape()[d];
  }
  if (fits && from > 0 && tensor.dim(0) == 0)
    invalid_input("{}: holds no samples; give at least one along the first dimension", file.string());
  if (!fits || tensor.elements() == 0)
    invalid_input("{}: is {} {}; input {} of the model is {}{}", file.string(), dtype_name(tensor.dtype()),
                  shape_string(tensor.shape()), input.name, declared(input),
                  from > 0 ? ", samples along the first dimension" : "");
  return tensor;
}

template <class T>
std::int64_t first_not_finite(const Tensor& tensor) {
  const T* const values = tensor.data<T>();
  return std::find_if(values, values + tensor.elements(), [](T value) { return !std::isfinite(value); }) -
         values;
}

/// That all of its floats are finite.  samples: its first dimension is one of samples.
void require_finite(const Tensor& tensor, const fs::path& file, bool samples) {
  std::int64_t at = tensor.elements();
  if (tensor.dtype() == DType::f64)
    at = first_not_finite<double>(tensor);
  else if (tensor.dtype() == DType::f32)
    at = first_not_finite<float>(tensor);
  else if (is_16_bit_float(tensor.dtype()))
    at = first_not_finite<float>(widened(tensor.view()));
  if (at == tensor.elements()) return;
  if (!samples)
    invalid_input("{}: element {} is not finite; calibrate with finite values", file.string(), at);
  invalid_input("{}: sample {} is not finite (counted from 0); calibrate with finite values", file.string(),
                at / (tensor.elements() / tensor.dim(0)));
}

/// FOLDER/NAME.npy
class StackedSamples : public CalibrationSamples {
 public:
  StackedSamples(const fs::path& folder, const std::vector<DeclaredInput>& inputs) : folder_(folder) {
    std::int64_t fixed = kAny;
    for (const DeclaredInput& input : inputs) {
      if (!input.shape || input.shape->empty())
        invalid_input("{}: input {} of the model has no batch; give a sub-folder for every run",
                      folder.string(), input.name);
      const std::int64_t size = input.shape->front();
      if (size == 0)
        invalid_input("{}: input {} of the model takes batches of 0; nothing can be calibrated",
                      folder.string(), input.name);
      if (size != kAny && fixed != kAny && size != fixed)
        invalid_input(
            "{}: inputs of the model differ in their first dimension ({} and {}); give a "
            "sub-folder for every run",
            folder.string(), fixed, size);
      if (size != kAny) fixed = size;
      arrays_.push_back(read_input(folder, input, 1));
      if (arrays_.back().dim(0) != arrays_.front().dim(0))
        invalid_input("{}: holds {} samples, {} holds {}; give as many of every input",
                      input_file(folder, input).string(), arrays_.back().dim(0),
                      input_file(folder, inputs.front()).string(), arrays_.front().dim(0));
      files_.push_back(input_file(folder, input));
      require_finite(arrays_.back(), files_.back(), true);
    }
    batch_ = fixed == kAny ? std::min(kCalibrationBatch, samples()) : fixed;
    if (fixed != kAny && samples() % fixed != 0)
      invalid_input("{}: holds {} samples, the model takes {} at once; give a multiple of that",
                    folder.string(), samples(), fixed);
  }
  std::int64_t samples() const override { return arrays_.front().dim(0); }
  std::int64_t batches() const override { return (samples() + batch_ - 1) / batch_; }
  std::vector<Tensor> batch(std::int64_t i) const override {
    std::vector<Tensor> result;
    for (const Tensor& array : arrays_) {
      Shape shape = array.shape();
      shape[0] = std::min(batch_, samples() - i * batch_);
      Tensor part(array.dtype(), shape);
      const std::size_t sample = array.bytes() / static_cast<std::size_t>(array.dim(0));
      std::memcpy(part.raw(), array.raw() + static_cast<std::size_t>(i * batch_) * sample, part.bytes());
      result.push_back(std::move(part));
    }
    return result;
  }
  std::string name(std::int64_t i, std::optional<std::int64_t> row) const override {
    const std::int64_t first = i * batch_ + row.value_or(0),
                       last = row ? first : std::min((i + 1) * batch_, samples()) - 1;
    const std::string which =
        first == last ? fmt::format("sample {}", first) : fmt::format("samples {} to {}", first, last);
    if (files_.size() == 1) return fmt::format("{}: {}", files_[0].string(), which);
    std::vector<std::string> names;
    for (const fs::path& file : files_) names.push_back(file.filename().string());
    return fmt::format("{}: {} of {}", folder_.string(), which, fmt::join(names, ", "));
  }

 private:
  const fs::path folder_;
  std::vector<fs::path> files_;
  std::vector<Tensor> arrays_;
  std::int64_t batch_ = 0;
};

/// FOLDER/*/NAME.npy
class RunFolders : public CalibrationSamples {
 public:
  RunFolders(std::vector<fs::path> folders, std::vector<DeclaredInput> inputs)
      : folders_(std::move(folders)), inputs_(std::move(inputs)) {
    for (const fs::path& folder : folders_)  // before any of them runs
      for (const DeclaredInput& input : inputs_)
        require_finite(read_input(folder, input, 0), input_file(folder, input), false);
  }
  std::int64_t samples() const override { return batches(); }
  std::int64_t batches() const override { return static_cast<std::int64_t>(folders_.size()); }
  std::vector<Tensor> batch(std::int64_t i) const override {
    std::vector<Tensor> result;
    for (const DeclaredInput& input : inputs_)
      result.push_back(read_input(folders_.at(static_cast<std::size_t>(i)), input, 0));
    return result;
  }
  std::string name(std::int64_t i, std::optional<std::int64_t>) const override {
    return folders_.at(static_cast<std::size_t>(i)).string();
  }

 private:
  const std::vector<fs::path> folders_;
  const std::vector<DeclaredInput> inputs_;
};

}  // namespace

std::unique_ptr<CalibrationSamples> folder_samples(const fs::path& folder, const Graph& graph) {
  const std::vector<DeclaredInput> inputs = declared_inputs(graph);
  std::vector<fs::path> folders;
  bool arrays = false;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) folders.push_back(entry.path());
    arrays = arrays || entry.path().extension() == ".npy";
  }
  if (inputs.empty()) invalid_input("{}: the model has no inputs to calibrate with", folder.string());
  if (arrays || folders.empty()) return std::make_unique<StackedSamples>(folder, inputs);
  std::sort(folders.begin(), folders.end());
  return std::make_unique<RunFolders>(std::move(folders), inputs);
}

}  // namespace edgeclip::builder
