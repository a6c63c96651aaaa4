"""Learning rates of torch.optim.lr_scheduler and of transformers' schedules: see README.md.
Needs torch and transformers:  python make.py > rates.json"""
import json, math
import torch, transformers

STEPS, WARMUP, LR = 20, 4, 2e-3


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)


def rates(make, steps=STEPS):
    opt = optimizer()
    schedule, out = make(opt), []
    for _ in range(steps):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
    return out


def case(options, source, values, rise):
    return {"options": options, "source": source, "steps": STEPS, "steps_per_epoch": 5, "rise": rise, "lr": values}


S, T = torch.optim.lr_scheduler, transformers
part = WARMUP / STEPS
print(json.dumps({
    "torch": torch.__version__, "transformers": T.__version__,
    "cases": [
        case({"schedule": "cosine", "warmup": 0.0, "min_lr_ratio": 0.1}, "torch CosineAnnealingLR(T_max=20, eta_min=lr/10)",
             rates(lambda o: S.CosineAnnealingLR(o, T_max=STEPS, eta_min=LR / 10)), 0),
        case({"schedule": "polynomial", "warmup": 0.0, "power": 2.0}, "torch PolynomialLR(total_iters=20, power=2)",
             rates(lambda o: S.PolynomialLR(o, total_iters=STEPS, power=2.0)), 0),
        case({"schedule": "step", "warmup": 0.0, "milestones": [2, 3], "gamma": 0.3},
             "torch MultiStepLR(milestones=[10, 15], gamma=0.3), 5 steps in an epoch",
             rates(lambda o: S.MultiStepLR(o, milestones=[10, 15], gamma=0.3)), 0),
        case({"schedule": "step", "warmup": 0.0, "milestones": [0.25, 0.6], "gamma": 0.5},
             "torch MultiStepLR(milestones=[5, 12], gamma=0.5)",
             rates(lambda o: S.MultiStepLR(o, milestones=[5, 12], gamma=0.5)), 0),
        case({"schedule": "cosine", "warmup": part}, "transformers get_cosine_schedule_with_warmup(4, 20)",
             rates(lambda o: T.get_cosine_schedule_with_warmup(o, WARMUP, STEPS)), WARMUP),
        case({"schedule": "constant", "warmup": part}, "transformers get_constant_schedule_with_warmup(4)",
             rates(lambda o: T.get_constant_schedule_with_warmup(o, WARMUP)), WARMUP),
        case({"schedule": "polynomial", "warmup": part, "power": 1.0}, "transformers get_linear_schedule_with_warmup(4, 20)",
             rates(lambda o: T.get_linear_schedule_with_warmup(o, WARMUP, STEPS)), WARMUP),
        case({"schedule": "polynomial", "warmup": part, "power": 0.9, "min_lr_ratio": 0.05},
             "transformers get_polynomial_decay_schedule_with_warmup(4, 20, lr_end=lr/20, power=0.9)",
             rates(lambda o: T.get_polynomial_decay_schedule_with_warmup(o, WARMUP, STEPS, lr_end=LR / 20, power=0.9)), WARMUP),
    ]}, indent=1))
