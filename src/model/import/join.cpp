#include "model/import/join.h"

#include "base/error.h"
#include "model/config/tower_kinds.h"
#include "model/import/image_processor.h"

namespace edgeclip {

namespace {

void require_tower(const ImportPart& part, bool has, const char* tower, const char* option) {
  if (!has)
    invalid_input("{}: is {}, which has no {} tower; {} needs one", part.weights.where(), part.source->what,
                  tower, option);
}

/// The options' pooling of a tower: allowed are those of its kind.
void set_pooling(std::string& pooling, const std::string& asked, const std::vector<const char*>& allowed,
                 const char* option, const std::string& tower) {
  if (asked.empty()) return;
  std::string names;
  for (const char* name : allowed) {
    if (asked == name) {
      pooling = asked;
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  invalid_input("{}: \"{}\" is no pooling of a {} ({})", option, asked, tower,
                names.empty() ? "it has no choice" : names);
}

void set_poolings(ModelConfig& config, const ImportOptions& options) {
  VisionConfig& v = config.vision;
  TextConfig& t = config.text;
  const TextKind& text = text_kind(t.model_type);
  set_pooling(v.pooling, options.image_pooling, vision_kind(v.model_type).poolings, "image_pooling",
              v.model_type);
  set_pooling(t.*text.pooling, options.text_pooling, text.poolings, "text_pooling", t.model_type);
}

/// As many as the options say, else as a source with both towers has, the image tower's first.
int projection_dim(const ImportParts& parts, const ImportOptions& options) {
  if (options.projection_dim > 0) return options.projection_dim;
  for (const auto& part : parts.all()) {
    if (!part.source->has_both()) continue;
    const int own = part.model.config.projection_dim;
    if (own < 1 || own > ImportOptions::kMostDimensions)
      invalid_input("{}: embedding width (projection_dim, embed_dim): must be 1 to {}, is {}",
                    part.described_by, ImportOptions::kMostDimensions, own);
    return own;
  }
  return ImportOptions::kUsualProjection;
}

}  // namespace

ImportParts::ImportParts(const ImportOptions& options) {
  if (!options.from.empty()) {
    parts_.push_back(open_import_part(options.from, options.model_config));
    const ImportPart& part = parts_.back();
    if (part.source->has_both()) return;
    const bool image = part.source->has_image();
    invalid_input("{}: is {}, which has no {} tower; join it with one: --image {} --text {}",
                  part.weights.where(), part.source->what, image ? "text" : "image",
                  image ? options.from : "PATH", image ? "PATH" : options.from);
  }
  parts_.push_back(open_import_part(options.image, ""));
  require_tower(image(), image().source->has_image(), "image", "--image");
  parts_.push_back(open_import_part(options.text, ""));
  require_tower(text(), text().source->has_text(), "text", "--text");
}

std::uint64_t ImportParts::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& part : parts_) sum += part.weights.bytes();
  return sum;
}

ModelConfig join_parts(ImportParts& parts, const ImportOptions& options) {
  ImportPart &image = parts.image(), &text = parts.text();
  ModelConfig config;
  config.vision = image.model.config.vision;
  config.text = text.model.config.text;
  config.projection_dim = projection_dim(parts, options);
  config.visual_projection.model_type = config.text_projection.model_type = options.projection;
  set_poolings(config, options);
  config.vision.validate(image.described_by + ": vision.");
  config.text.validate(text.described_by + ": text.");

  image.gives.push_back(kImageTower);
  text.gives.push_back(kTextTower);
  const auto has_head = [&](const ImportPart& part) {
    return part.source->has_both() && options.projection == "linear" &&
           part.model.config.projection_dim == config.projection_dim;
  };
  if (has_head(image)) image.gives.push_back(kImageHead);
  if (has_head(text)) text.gives.push_back(kTextHead);
  if (image.source->has_both())
    image.gives.push_back(kScale);
  else if (text.source->has_both())
    text.gives.push_back(kScale);
  return config;
}

std::string settle_images(const ImportPart& part, const ImportOptions& options, VisionConfig& vision,
                          ImageTransform& image) {
  const auto changed = [&] {
    return image.height != vision.image_height || image.width != vision.image_width;
  };
  image.height = vision.image_height;
  image.width = vision.image_width;
  image.validate(part.described_by + ": ");
  const ImageProcessorFile file = find_image_processor(part.folder());
  if (!file.where.empty()) image = read_image_processor(file, image);
  if (changed() && part.model.any_image_size) {
    vision.image_height = image.height;
    vision.image_width = image.width;
  } else if (changed() && options.image_height == 0 && options.image_width == 0) {
    invalid_input(
        "{}: makes images of {} x {} (height x width), the model in {} takes {} x {}; say which with "
        "--image-height and --image-width",
        file.where, image.height, image.width, part.described_by, vision.image_height, vision.image_width);
  }
  if (options.image_height > 0) vision.image_height = options.image_height;
  if (options.image_width > 0) vision.image_width = options.image_width;
  if (vision.image_height != vision.image_width && (changed() || file.where.empty())) {
    image.resize = "stretch";  // a crop would lose half a person
    image.shortest = 0;
  } else if (changed() && image.shortest > 0) {  // as much of the picture as before
    image.shortest = std::max(image.shortest * vision.image_height / image.height, vision.image_height);
  }
  image.height = vision.image_height;
  image.width = vision.image_width;
  vision.validate(part.described_by + ": vision.");
  image.validate(part.described_by + ": ");
  return file.where;
}

}  // namespace edgeclip
