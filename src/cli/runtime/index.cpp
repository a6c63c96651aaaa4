#include <algorithm>

#include "base/measure.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/plan_options.h"
#include "retrieval/index/describe_items.h"
#include "retrieval/index/indexing.h"

namespace edgeclip {

namespace {

struct Options : IndexOptions, ItemDescription, PlanOptions {
  std::string plan, images, image_root, out;
  std::string split = "all";
  std::int64_t memory_pool_mb = 0;

  template <class Visitor>
  void fields(Visitor& v) {
    v("plan", plan, "plan folder that encodes");
    v("images", images, "folder, list of paths, video or prepared dataset");
    v("image_root", image_root, "of a dataset: the folder of its images, where they were moved");
    v("out", out, "gallery to write");
    v("split", split, "of a dataset: the split that is indexed");
    ItemDescription::fields(v);
    IndexOptions::fields(v);
    v("memory_pool_mb", memory_pool_mb,
      "most memory of the activations of all consumers together, MiB; 0: of each what the plan says");
    plan_fields(v);
  }
};

class IndexCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "index"; }
  const char* summary() const override { return "Encodes images into a gallery that can be searched"; }
  const char* example() const override { return "index --plan plan/ --images crops/ --out gallery/"; }

 protected:
  Json execute(const Options& options) override {
    require(options.plan, "--plan");
    require(options.images, "--images");
    require(options.out, "--out");
    ImageSource source = open_image_source(options.images, options.split, options.image_root);
    describe_items(source, options);
    // Consumers encode at the same time and share the threads: each that encodes counts as one of them.
    PlanEncoderOptions encoding = options.encoder_options();
    encoding.memory_pool_mb = options.memory_pool_mb;
    PlanEncoder encoder(options.plan, encoding);
    ResourceSampler sampler;
    const IndexReport result = index_images(encoder, source, options.out, options);
    print(fmt::format("{}: {} images indexed ({} of them already), {} failed, {:.1f} s; {} in all\n", options.out, result.indexed,
                      result.resumed, result.failed.size(), result.seconds, result.images));
    Json report = to_json(result);
    report.update(usage_json(sampler.stop()));
    report["plan"] = options.plan;
    report["out"] = options.out;
    if (result.unreadable() > options.max_unreadable)
      throw CheckNotMetWithReport(
          fmt::format(
              "{}: {} of {} images cannot be read ({:.1f} %, --max-unreadable {}); {} holds the others",
              options.images, result.failed.size(),
              result.indexed + static_cast<std::int64_t>(result.failed.size()), result.unreadable(),
              options.max_unreadable, options.out),
          report);
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> index_command() { return std::make_unique<IndexCommand>(); }

}  // namespace edgeclip
