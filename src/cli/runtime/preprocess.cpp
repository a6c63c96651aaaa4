#include "base/error.h"
#include "base/npy.h"
#include "base/report_file.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "data/image/transform.h"
#include "dual_encoder/plan_encoder.h"

namespace edgeclip {

namespace {

struct Options {
  std::string image, out, plan;
  ImageTransform transform;

  template <class Visitor>
  void fields(Visitor& v) {
    v("image", image, "image file");
    v("out", out, "pixels.npy, (1, 3, H, W) float32 normalized; or a .png of them before normalization");
    v("plan", plan, "plan whose transform is used; without one --config or --set transform.width=224, ...");
    v("transform", transform, "how the image is resized, cropped and normalized");
  }
};

class PreprocessCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "preprocess"; }
  const char* summary() const override { return "Shows the pixels that an image tower sees"; }
  const char* example() const override {
    return "preprocess --plan plan/ --image photo.jpg --out pixels.png";
  }

 protected:
  bool keys_are_options() const override { return false; }
  Json execute(const Options& options) override {
    require(options.image, "--image");
    require(options.out, "--out");
    const std::filesystem::path out = options.out;
    if (out.extension() != ".npy" && out.extension() != ".png")
      invalid_input("--out {}: ends neither in .npy nor in .png", options.out);
    require_report_output(out, out.extension() == ".png" ? ReportKind::kPng : ReportKind::kNpy,
                          {options.image});
    ImageTransform transform = options.transform;
    if (!options.plan.empty()) transform = dual_encoder_card(engine::open_plan_info(options.plan)).image;
    transform.validate("transform.");
    const Image image = load_image(options.image, transform);
    if (out.extension() == ".png") {
      write_png(out, image);
    } else {
      Tensor pixels(DType::f32, {1, 3, image.height, image.width});
      normalize_pixels(image, transform, false, pixels.data<float>());
      write_npy(out, pixels);
    }
    print(fmt::format("{}: {} x {} pixels\n", options.out, image.width, image.height));
    return {{"image", options.image},
            {"out", options.out},
            {"height", image.height},
            {"width", image.width},
            {"transform", options_to_json(transform)}};
  }
};

}  // namespace

std::unique_ptr<Command> preprocess_command() { return std::make_unique<PreprocessCommand>(); }

}  // namespace edgeclip
