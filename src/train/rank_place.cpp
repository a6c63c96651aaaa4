#include "train/rank_place.h"

#include <charconv>
#include <cstring>

#include "base/error.h"

namespace edgeclip {

namespace {

/// What a launcher calls things; nullptr: it does not say.
struct Names {
  const char* launcher;
  const char *rank, *world, *local;
  const char* job;
};
constexpr Names kLaunchers[] = {
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "PMIX_NAMESPACE"},
    {"MPICH", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS", "PMI_ID"},
    // SLURM_NTASKS is there in the job's shell too, where nobody has started the other tasks.
    {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", nullptr, "SLURM_JOB_ID"},
    {"torchrun's variables", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", nullptr},
};

constexpr int kFirstPort = 20000, kPorts = 20000;

}  // namespace

RankPlace rank_place(const std::function<const char*(const char*)>& get) {
  const auto number = [&](const char* name, int from, int to) {
    const char* const text = get(name);
    int value = 0;
    const char* const end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    if (error != std::errc() || stop != end || value < from || value > to)
      invalid_input("{}: is \"{}\", not a number from {} to {}; unset it, or let the launcher set it", name, text, from, to);
    return value;
  };
  constexpr int kMost = 1 << 20;
  RankPlace place;
  const char* job = nullptr;
  // What mpirun or srun say is of this very process; RANK may have been left by something around it.
  for (const Names& names : kLaunchers) {
    if (get(names.rank) == nullptr || get(names.world) == nullptr) continue;
    place.world = number(names.world, 1, kMost);
    place.rank = number(names.rank, 0, place.world - 1);
    const bool says = names.local != nullptr && get(names.local) != nullptr;
    place.local = says ? number(names.local, 1, place.world) : 1;
    if (!says && names.local == nullptr && get("SLURM_STEP_NUM_NODES") != nullptr && number("SLURM_STEP_NUM_NODES", 1, kMost) == 1)
      place.local = place.world;
    place.launcher = names.launcher;
    if (names.job != nullptr) job = get(names.job);
    break;
  }
  if (place.world == 1) return place;
  if (const char* host = get("MASTER_ADDR"); host != nullptr && *host != '\0')
    place.host = host;
  else if (place.local != place.world)
    invalid_input(
        "{} started {} processes, on more than one machine or without saying how many are on this one: set MASTER_ADDR to the "
        "machine of rank 0",
        place.launcher, place.world);
  if (get("MASTER_PORT") != nullptr) {
    place.port = number("MASTER_PORT", 1, 65535);
  } else if (job != nullptr) {
    unsigned hash = 0;
    for (const char* c = job; *c != '\0'; ++c) hash = hash * 31 + static_cast<unsigned char>(*c);
    place.port = kFirstPort + static_cast<int>(hash % kPorts);
  }
  return place;
}

}  // namespace edgeclip
