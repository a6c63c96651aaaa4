#include "train/ranks.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/signals.h"

namespace edgeclip {

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr seconds kMeeting{60};
/// A step may wait long for a rank that saves or reads slowly; whether it lives, the heartbeat says.
constexpr minutes kOperation{60};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string this_process() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("{}, process {}", host, ::getpid());
}

/// A connection to what rank 0 keeps.
c10::intrusive_ptr<c10d::Store> meet(const RankPlace& place, bool keeps) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(place.port);
  options.isServer = keeps;
  options.waitWorkers = false;
  options.timeout = kMeeting;
  try {
    return c10::make_intrusive<c10d::TCPStore>(place.host, options);
  } catch (const std::exception& error) {
    const std::string reason = first_line(error.what());
    throw MachineFault(
        keeps ? fmt::format("port {} of {}, where the processes meet, cannot be had ({}); set MASTER_PORT to another", place.port,
                            place.host, reason)
              : fmt::format("rank 0 cannot be reached at {}, port {} ({}); set MASTER_ADDR and MASTER_PORT, and start all ranks",
                            place.host, place.port, reason));
  }
}

c10::intrusive_ptr<c10d::ProcessGroupGloo::Options> gloo_options(const RankPlace& place) {
  const auto options = c10d::ProcessGroupGloo::Options::create(kOperation);
  const char* const interface = std::getenv("GLOO_SOCKET_IFNAME");  // as for PyTorch
  if (interface != nullptr && *interface != '\0')
    options->devices = {c10d::ProcessGroupGloo::createDeviceForInterface(interface)};
  else if (place.local == place.world)
    options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")};
  else
    options->devices = {c10d::ProcessGroupGloo::createDefaultDevice()};
  return options;
}

/// Announces this rank and waits for the others, naming who does not come.
void wait_for_all(c10d::Store& store, const RankPlace& place) {
  store.set(fmt::format("here/{}", place.rank), {1});
  for (int rank = 0; rank < place.world; ++rank) {
    try {
      store.wait({fmt::format("here/{}", rank)}, kMeeting);
    } catch (const std::exception&) {
      throw MachineFault(
          fmt::format("rank {} of {} has not come within {} s; start all ranks at the same time, with the same MASTER_ADDR and "
                      "MASTER_PORT (here {}, {})",
                      rank, place.world, kMeeting.count(), place.host, place.port));
    }
  }
}

}  // namespace

Ranks::Ranks() = default;

Ranks::Ranks(const RankPlace& place) : rank_(place.rank), world_(place.world) {
  if (alone()) return;
  const auto store = meet(place, first());
  wait_for_all(*store, place);
  try {
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank_, world_, gloo_options(place));
  } catch (const std::exception& error) {
    throw MachineFault(fmt::format("the {} ranks cannot be connected ({}); set GLOO_SOCKET_IFNAME to the network they share", world_,
                                   first_line(error.what())));
  }
  heartbeat_ = std::make_unique<Heartbeat>(c10::make_intrusive<c10d::PrefixStore>("heartbeat", meet(place, false)), rank_, world_,
                                           this_process(), Heartbeat::Times());
}

Ranks::Ranks(const c10::intrusive_ptr<c10d::Store>& store, int rank, int world) : rank_(rank), world_(world) {
  RankPlace here;
  here.local = here.world = world;
  if (!alone()) group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank_, world_, gloo_options(here));
}

Ranks::~Ranks() = default;

template <class Operation>
void Ranks::together(const Operation& operation) {
  try {
    operation()->wait();
  } catch (const std::exception& error) {
    const std::string why = fmt::format("the connection to the other ranks has broken ({})", first_line(error.what()));
    throw MachineFault((heartbeat_ ? heartbeat_->who_is_gone(why) : why) + "; start all ranks again, with --resume");
  }
}

torch::Tensor Ranks::gathered(const torch::Tensor& rows) {
  if (alone()) return rows.detach();
  const auto all_of = [&](const torch::Tensor& mine) {
    std::vector<std::vector<torch::Tensor>> all(1);
    for (int r = 0; r < world_; ++r) all[0].push_back(torch::empty_like(mine));
    std::vector<torch::Tensor> in = {mine};
    together([&] { return group_->allgather(all, in); });
    return all[0];
  };
  const torch::Tensor here = rows.detach().cpu().contiguous();
  std::vector<std::int64_t> counts;
  for (const torch::Tensor& count : all_of(torch::full({1}, here.size(0), torch::kInt64)))
    counts.push_back(count.item<std::int64_t>());
  const std::int64_t most = *std::max_element(counts.begin(), counts.end());
  // As bytes: Gloo does not know all types.
  std::vector<std::int64_t> shape = here.sizes().vec();
  shape[0] = most;
  torch::Tensor padded = torch::zeros(shape, here.options());
  padded.slice(0, 0, here.size(0)).copy_(here);
  std::vector<torch::Tensor> pieces;
  for (const torch::Tensor& bytes : all_of(padded.reshape({-1}).view(torch::kByte))) {
    const torch::Tensor piece = bytes.view(here.scalar_type()).view(shape);
    pieces.push_back(piece.slice(0, 0, counts[pieces.size()]));
  }
  return torch::cat(pieces).to(rows.device());
}

std::int64_t Ranks::rows_before(std::int64_t rows) {
  const torch::Tensor all = gathered(torch::full({1}, rows, torch::kInt64));
  return all.slice(0, 0, rank_).sum().item<std::int64_t>();
}

void Ranks::sum(torch::Tensor& values) {
  if (alone()) return;
  torch::Tensor here = values.detach().cpu();
  std::vector<torch::Tensor> tensors = {here};
  together([&] { return group_->allreduce(tensors); });
  if (!values.device().is_cpu()) values.copy_(here);
}

bool Ranks::any(bool here) {
  if (alone()) return here;
  torch::Tensor said = torch::full({1}, static_cast<std::int64_t>(here), torch::kInt64);
  sum(said);
  return said.item<std::int64_t>() > 0;
}

void Ranks::end_if_interrupted() {
  if (any(signal_arrived())) throw Interrupted("interrupted");
}

void Ranks::require_same(const std::string& text, const std::string& what) {
  if (alone()) return;
  const std::string hash = hash_text(text);
  torch::Tensor mine = torch::empty({1, static_cast<std::int64_t>(hash.size())}, torch::kByte);
  std::copy(hash.begin(), hash.end(), mine.data_ptr<std::uint8_t>());
  const torch::Tensor all = gathered(mine);
  for (int r = 1; r < world_; ++r)
    if (!torch::equal(all[r], all[0])) invalid_input("rank {} has {} than rank 0; all ranks need the same", r, what);
}

void Ranks::abandon(const std::string& message) {
  if (heartbeat_) heartbeat_->failing(first_line(message));
  heartbeat_.reset();
}

void Ranks::leave() {
  if (alone()) return;
  any(false);
  heartbeat_.reset();
  any(false);  // rank 0 takes the store with it
}

}  // namespace edgeclip
