#include "train/start.h"

#include "support/support.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

using test::invalid_input_of;

class StartTest : public test::TinyTraining {};

TEST_F(StartTest, OneIdentityIsRefusedWhereItsPairsAreAllRight) {
  Dataset dataset = open_dataset(at("data"));
  ObjectiveOptions losses;
  require_identities(dataset, losses);
  for (Pair& pair : dataset.pairs) pair.id = 7;
  for (ImageItem& image : dataset.images) image.id = 7;
  losses.contrastive.identity_targets = false;
  require_identities(dataset, losses);
  losses.contrastive.identity_targets = true;
  EXPECT_NE(invalid_input_of([&] { require_identities(dataset, losses); }).find("identity_targets to false"),
            std::string::npos);
}

TEST_F(StartTest, ABatchAboveTheDatasetIsRefused) {
  TrainOptions options = test::tiny_train_options();
  options.batch = 49;  // of 48 images
  EXPECT_NE(invalid_input_of([&] { train(options, paths("large")); }).find("set batch to at most 48"),
            std::string::npos);
}

TEST_F(StartTest, CaptionsBeyondTheModelsContextAreCutAndCounted) {
  TrainOptions options = test::tiny_train_options();
  options.model.text.max_position_embeddings = 4;
  Dataset dataset = open_dataset(at("data"));
  const Checkpoint checkpoint = new_checkpoint(options, dataset);
  EXPECT_EQ(dataset.captions_cut, 0);
  adopt_tokenizer(dataset, checkpoint);
  EXPECT_EQ(dataset.captions_cut, 72);  // all
  EXPECT_EQ(dataset.tokens.shape(), (Shape{72, 4}));
}

}  // namespace
}  // namespace edgeclip
