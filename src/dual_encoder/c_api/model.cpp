#include "dual_encoder/c_api/model.h"

#include <cstring>

#include "base/log.h"
#include "base/threads.h"
#include "data/image/transform.h"
#include "retrieval/encode.h"

namespace edgeclip::c_api {

namespace {

constexpr std::int32_t kLongestSide = 65535;

PlanEncoderOptions encoder_options(const edgeclip_model_options* given) {
  const auto options = read_struct(given, sizeof(edgeclip_model_options), "options");
  if (options.threads < 0 || options.threads > 65536)
    invalid_input("options: threads {} is not within 0 to 65536", options.threads);
  if (options.packed_cache != 0 && options.packed_cache != 1)
    invalid_input("options: packed_cache {} is not 0 or 1", options.packed_cache);
  if (options.memory_pool_mb != 0)
    engine::check_memory_pool_mb(options.memory_pool_mb, "options: memory_pool_mb");
  PlanEncoderOptions encoder;
  encoder.threads = options.threads > 0 ? options.threads : available_cpus();
  encoder.memory_pool_mb = options.memory_pool_mb;
  encoder.packed_cache = options.packed_cache != 0;
  encoder.log = log_to(options.log, options.log_user);
  return encoder;
}

/// Warnings of the code below go where the model's messages do.
WarningSink warnings_to(const engine::LogCallback& log) {
  return WarningSink([&log](const std::string& message) { log(engine::LogLevel::kWarning, message); });
}

/// Rows of images that load(i) gives as transform_geometry() does, in pieces of the largest batch.
template <class Load>
Tensor embed_loaded(edgeclip_model& model, std::size_t count, Load&& load) {
  PlanEncoder& encoder = model.encoder;
  const ImageTransform& transform = encoder.card().image;
  const std::int64_t dim = encoder.card().embedding_dim, most = encoder.max_batch(),
                     rows = static_cast<std::int64_t>(count),
                     size = std::int64_t{3} * transform.height * transform.width;
  Tensor all(DType::f32, {rows, dim});
  for (std::int64_t begin = 0; begin < rows; begin += most) {
    const std::int64_t here = std::min(most, rows - begin);
    Tensor pixels(DType::f32, {here, 3, transform.height, transform.width});
    float* const out = pixels.data<float>();
    const auto one = [&](std::int64_t i) {
      normalize_pixels(load(static_cast<std::size_t>(begin + i)), transform, false, out + i * size);
    };
    parallel_for(here, one, model.threads);
    const Tensor part = encoder.encode_images(pixels.view());
    check_embeddings(part, here, encoder);
    std::memcpy(all.data<float>() + begin * dim, part.data<float>(), part.bytes());
  }
  return all;
}

/// A copy without padding.
Image copy_of(const edgeclip_image& from, std::size_t index) {
  if (from.rgb == nullptr) invalid_input("image {}: rgb is NULL", index);
  if (from.width < 1 || from.height < 1 || from.width > kLongestSide || from.height > kLongestSide)
    invalid_input("image {}: {} x {} pixels; each side is within 1 to {}", index, from.width, from.height,
                  kLongestSide);
  const std::size_t row = std::size_t{3} * static_cast<std::size_t>(from.width),
                    step = from.row_bytes == 0 ? row : from.row_bytes;
  if (step < row) invalid_input("image {}: row_bytes is {}, a row has {}", index, step, row);
  Image image(from.width, from.height);
  for (int y = 0; y < from.height; ++y)
    std::memcpy(image.row(y), from.rgb + static_cast<std::size_t>(y) * step, row);
  return image;
}

/// Copies rows to the caller's memory, which was checked to be large enough by require_room().
void hand_out(const Tensor& embeddings, float* to) {
  if (embeddings.bytes() > 0) std::memcpy(to, embeddings.data<float>(), embeddings.bytes());
}

void require_room(const edgeclip_model& model, std::size_t count, const float* embeddings,
                  std::size_t floats) {
  const auto dim = static_cast<std::size_t>(model.encoder.card().embedding_dim);
  if (count > floats / dim)
    invalid_input("embeddings: {} of {} floats each do not fit into {}", count, dim, floats);
  if (count > 0) required(embeddings, "embeddings");
}

const char* text_at(const char* const* texts, std::size_t index, const char* what) {
  if (texts[index] == nullptr) invalid_input("{} {}: is NULL", what, index);
  return texts[index];
}

}  // namespace

Tensor embed_texts(edgeclip_model& model, const char* const* texts, std::size_t count) {
  const WarningSink sink = warnings_to(model.log);
  if (count > 0) required(texts, "texts");
  std::vector<std::string> list;
  for (std::size_t i = 0; i < count; ++i) list.emplace_back(text_at(texts, i, "text"));
  return encode_texts(model.encoder, list, model.encoder.max_batch());
}

Tensor embed_files(edgeclip_model& model, const char* const* paths, std::size_t count) {
  const WarningSink sink = warnings_to(model.log);
  if (count > 0) required(paths, "paths");
  return embed_loaded(model, count, [&](std::size_t i) {
    return load_image(text_at(paths, i, "path"), model.encoder.card().image);
  });
}

Tensor embed_images(edgeclip_model& model, const edgeclip_image* images, std::size_t count) {
  const WarningSink sink = warnings_to(model.log);
  if (count > 0) required(images, "images");
  return embed_loaded(model, count, [&](std::size_t i) {
    return transform_geometry(copy_of(images[i], i), model.encoder.card().image);
  });
}

}  // namespace edgeclip::c_api

using namespace edgeclip;
using namespace edgeclip::c_api;

extern "C" {

edgeclip_status edgeclip_model_open(const char* plan, const edgeclip_model_options* options,
                                    edgeclip_model** model) {
  return guarded([&] {
    required(model, "model") = nullptr;
    const PlanEncoderOptions known = encoder_options(options);
    const WarningSink sink = warnings_to(known.log);
    *model = std::make_unique<edgeclip_model>(&required(plan, "plan"), known).release();
  });
}

void edgeclip_model_close(edgeclip_model* model) { delete model; }

edgeclip_status edgeclip_model_get_info(const edgeclip_model* model, edgeclip_model_info* info) {
  return guarded([&] {
    const PlanEncoder& encoder = required(model, "model").encoder;
    const ModelCard& card = encoder.card();
    edgeclip_model_info to{};
    to.embedding_dim = card.embedding_dim;
    to.image_width = card.image.width;
    to.image_height = card.image.height;
    to.context_length = card.context_length;
    to.max_batch = encoder.max_batch();
    to.name = card.name.c_str();
    to.precision = model->precision.c_str();
    to.model_hash = model->model_hash.c_str();
    write_struct(info, sizeof(edgeclip_model_info), "info", to);
  });
}

edgeclip_status edgeclip_encode_texts(edgeclip_model* model, const char* const* texts, size_t count,
                                      float* embeddings, size_t floats) {
  return guarded([&] {
    require_room(required(model, "model"), count, embeddings, floats);
    hand_out(embed_texts(*model, texts, count), embeddings);
  });
}

edgeclip_status edgeclip_encode_image_files(edgeclip_model* model, const char* const* paths, size_t count,
                                            float* embeddings, size_t floats) {
  return guarded([&] {
    require_room(required(model, "model"), count, embeddings, floats);
    hand_out(embed_files(*model, paths, count), embeddings);
  });
}

edgeclip_status edgeclip_encode_images(edgeclip_model* model, const edgeclip_image* images, size_t count,
                                       float* embeddings, size_t floats) {
  return guarded([&] {
    require_room(required(model, "model"), count, embeddings, floats);
    hand_out(embed_images(*model, images, count), embeddings);
  });
}

}  // extern "C"
