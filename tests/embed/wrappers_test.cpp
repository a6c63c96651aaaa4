#include "embed/cpp_api_test.h"
#include "embed/small_world.h"

namespace edgeclip::test {
namespace {

class Wrappers : public EmbedTest {};

TEST_F(Wrappers, FindAPicture) {
  EXPECT_EQ(first_hit(world().plan(), world().gallery(), world().picture(3)), "3.png 3.png 6");
}

TEST_F(Wrappers, RunAGraph) {
  const Tensor in =
      engine::test::random_floats({2, 3, engine::test::kSmallHeight, engine::test::kSmallWidth}, 3);
  const std::vector<float> out =
      run_image(world().plan(), {in.data<float>(), in.data<float>() + in.elements()}, in.shape());
  ASSERT_EQ(out.size(), std::size_t{2 * engine::test::kSmallEmbedding});
  EXPECT_LE(engine::test::max_difference(Tensor::from<float>({2, engine::test::kSmallEmbedding}, out),
                                         PlanEncoder(world().plan()).encode_images(in.view())),
            1e-6);
}

TEST_F(Wrappers, ThrowTheTextAndTheStatus) {
  const std::string said = error_of(world().plan());
  EXPECT_EQ(said.rfind("2 output 0: there is none yet", 0), 0u) << said;
  EXPECT_NE(said.find("; /nowhere"), std::string::npos) << said;
}

}  // namespace
}  // namespace edgeclip::test
