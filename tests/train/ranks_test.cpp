#include "train/ranks.h"

#include <map>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "base/error.h"
#include "support/support.h"
#include "train/gradient_step.h"
#include "train/parameter_groups.h"
#include "train/start.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

/// body(ranks) in a thread for each of `world` ranks of one store.
void with_ranks(int world, const std::function<void(Ranks&)>& body) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(world));
  for (int rank = 0; rank < world; ++rank)
    threads.emplace_back([&, rank] {
      try {
        Ranks ranks(store, rank, world);
        body(ranks);
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

TEST(Ranks, GatherRowsOfAnyNumberAndType) {
  with_ranks(3, [](Ranks& ranks) {
    const int r = ranks.rank();
    for (const auto type : {torch::kFloat, torch::kBFloat16, torch::kLong, torch::kDouble}) {
      const torch::Tensor all = ranks.gathered(torch::full({r + 1, 2}, r, type));
      ASSERT_EQ(all.scalar_type(), type);
      ASSERT_EQ(all.sizes(), (std::vector<std::int64_t>{6, 2}));
      EXPECT_TRUE(torch::equal(all.select(1, 0).to(torch::kLong), torch::tensor({0, 1, 1, 2, 2, 2})));
    }
    EXPECT_EQ(ranks.rows_before(r + 1), std::vector<std::int64_t>({0, 1, 3})[static_cast<std::size_t>(r)]);
    torch::Tensor sum = torch::full({3}, r, torch::kFloat);
    ranks.sum(sum);
    EXPECT_TRUE(torch::equal(sum, torch::full({3}, 3.0f)));
    EXPECT_TRUE(ranks.any(r == 1));
    EXPECT_FALSE(ranks.any(false));
    EXPECT_EQ(ranks.gathered(torch::empty({r == 1 ? 2 : 0, 5})).size(0), 2);
  });
}

TEST(Ranks, NameWhoIsDifferent) {
  with_ranks(2, [](Ranks& ranks) {
    EXPECT_NO_THROW(ranks.require_same("same", "another dataset"));
    EXPECT_EQ(test::invalid_input_of([&] { ranks.require_same(ranks.first() ? "a" : "b", "another dataset"); }),
              "rank 1 has another dataset than rank 0; all ranks need the same");
  });
}

class RanksGradientTest : public test::TinyTraining {};

TEST_F(RanksGradientTest, IsThatOfOneProcess) {
  const Dataset dataset = open_dataset(at("data"));
  TrainOptions options = test::tiny_train_options();
  options.image.height = 32;
  options.image.width = 16;
  ObjectiveOptions losses;
  losses.sdm.weight = 0.5;
  losses.identity.weight = 0.3;
  using Gradients = std::vector<std::pair<std::string, torch::Tensor>>;
  const auto gradients = [&](Ranks& ranks, int micro_batch) {
    static std::mutex mutex;  // weights come from one generator
    std::unique_lock lock(mutex);
    torch::manual_seed(5);
    Checkpoint checkpoint = new_checkpoint(options, dataset);
    checkpoint.model->train();
    Objective objective(losses, LossContext{checkpoint, dataset, "train"});
    lock.unlock();
    LoaderOptions loading;
    loading.batch = 12;
    loading.rank = ranks.rank();
    loading.world = ranks.world();
    Loader loader(dataset, options.image, loading);
    loader.start_epoch(0);
    GradientStep step(checkpoint.model, objective, /*bf16=*/false, micro_batch, ranks);
    const double total = step(*loader.next()).total.item<double>();
    Gradients all = {{"total", torch::full({1}, total)}};
    for (const TrainedParameter& parameter : trained_parameters(*checkpoint.model, *objective))
      all.emplace_back(parameter.name, parameter.value.grad());
    return all;
  };
  Ranks alone;
  const Gradients one = gradients(alone, 0);
  for (const int world : {2, 3})
    for (const int micro_batch : {0, 2}) {
      std::vector<Gradients> many(static_cast<std::size_t>(world));
      with_ranks(world, [&](Ranks& ranks) { many[static_cast<std::size_t>(ranks.rank())] = gradients(ranks, micro_batch); });
      for (const Gradients& of_rank : many) {
        ASSERT_EQ(of_rank.size(), one.size());
        for (std::size_t i = 0; i < one.size(); ++i) {
          const torch::Tensor &x = one[i].second, &y = of_rank[i].second;
          ASSERT_EQ(x.defined(), y.defined()) << one[i].first;
          if (!x.defined()) continue;
          // Of the whole tensor: a single element may be a sum that cancels, which another order rounds otherwise.
          EXPECT_LE((x - y).norm().item<double>(), 1e-5 * (5e-2 + x.norm().item<double>())) << one[i].first;
          EXPECT_TRUE(torch::equal(y, many[0][i].second)) << one[i].first;
        }
      }
    }
}

RankPlace place_of(const std::map<std::string, std::string>& variables) {
  return rank_place([&](const char* name) -> const char* {
    const auto it = variables.find(name);
    return it == variables.end() ? nullptr : it->second.c_str();
  });
}

TEST(RankPlace, IsReadFromWhoStartedTheProcess) {
  EXPECT_EQ(place_of({}).world, 1);
  const RankPlace torchrun = place_of({{"RANK", "3"}, {"WORLD_SIZE", "4"}, {"LOCAL_WORLD_SIZE", "2"},
                                       {"MASTER_ADDR", "node1"}, {"MASTER_PORT", "1234"}});
  EXPECT_EQ(torchrun.rank, 3);
  EXPECT_EQ(torchrun.world, 4);
  EXPECT_EQ(torchrun.local, 2);
  EXPECT_EQ(torchrun.host, "node1");
  EXPECT_EQ(torchrun.port, 1234);
  const std::map<std::string, std::string> mpi = {{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                                  {"PMIX_NAMESPACE", "123"}};
  EXPECT_EQ(place_of(mpi).rank, 1);
  EXPECT_EQ(place_of(mpi).host, "127.0.0.1");
  auto other = mpi;
  other["PMIX_NAMESPACE"] = "124";
  EXPECT_NE(place_of(mpi).port, place_of(other).port) << "two jobs on one machine meet at two ports";
  const RankPlace slurm = place_of({{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_STEP_NUM_NODES", "1"}, {"SLURM_JOB_ID", "7"}});
  EXPECT_EQ(slurm.world, 2);
  EXPECT_EQ(slurm.local, 2);
  EXPECT_EQ(place_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).world, 1) << "a shell of a job, not a task";
  // srun --mpi=pmi2 speaks PMI too, but does not say as MPICH does how many are here.
  std::map<std::string, std::string> pmi2 = {{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_STEP_NUM_NODES", "1"},
                                             {"SLURM_JOB_ID", "7"}, {"SLURM_STEP_ID", "0"}, {"PMI_RANK", "1"},
                                             {"PMI_SIZE", "2"}, {"PMI_JOBID", "7.0"}};
  EXPECT_EQ(place_of(pmi2).launcher, "Slurm");
  EXPECT_EQ(place_of(pmi2).local, 2);
  const int port = place_of(pmi2).port;
  pmi2["SLURM_STEP_ID"] = "1";
  EXPECT_NE(place_of(pmi2).port, port) << "nor do two steps of one job meet";
  // mpiexec inside a job: what Slurm says is of the process that starts the others on a machine.
  const RankPlace mpich = place_of({{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_JOB_ID", "7"}, {"PMI_RANK", "1"},
                                    {"PMI_SIZE", "2"}, {"MPI_LOCALNRANKS", "2"}, {"PMI_ID", "1"}});
  EXPECT_EQ(mpich.launcher, "MPICH");
  EXPECT_EQ(mpich.rank, 1);
  EXPECT_EQ(mpich.local, 2);
  EXPECT_EQ(mpich.port, RankPlace().port) << "PMI_ID is the rank's, and not the job's";
  const RankPlace pmi = place_of({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"PMI_JOBID", "5"}, {"MASTER_ADDR", "node1"}});
  EXPECT_EQ(pmi.rank, 1);
  EXPECT_NE(pmi.port, RankPlace().port);

  const auto refused = [](const std::map<std::string, std::string>& variables) {
    return test::invalid_input_of([&] { place_of(variables); });
  };
  EXPECT_NE(refused({{"RANK", "4"}, {"WORLD_SIZE", "4"}}).find("RANK: is \"4\""), std::string::npos);
  EXPECT_NE(refused({{"RANK", "0"}, {"WORLD_SIZE", "two"}}).find("WORLD_SIZE"), std::string::npos);
  EXPECT_NE(refused({{"RANK", "0"}, {"WORLD_SIZE", "2"}}).find("MASTER_ADDR"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
