import pytest
import torch

from restain.diffusion import GaussianDenoiser, PreconditionedDenoiser, Preconditioning, VarianceExploding

C = Preconditioning(sigma_data=0.5)
SIGMAS = [0.002, 0.1, 0.5, 2.0, 80.0]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_f6_the_network_sees_and_says_unit_variance(sigma):
    generator = torch.Generator().manual_seed(0)
    x0, eps = 0.5 * torch.randn(1_000_000, generator=generator).double(), torch.randn(1_000_000, generator=generator)
    sigma = torch.tensor(sigma, dtype=torch.float64)
    x_t = x0 + sigma * eps
    assert float((C.c_in(sigma) * x_t).std()) == pytest.approx(1, abs=0.01)
    assert float(C.target(x0, x_t, sigma).std()) == pytest.approx(1, abs=0.01)


def test_f6_the_weight_undoes_the_output_scale():
    sigma = torch.logspace(-3, 3, 100, dtype=torch.float64)
    assert (C.weight(sigma) * C.c_out(sigma) ** 2 - 1).abs().max() <= 1e-12


@pytest.mark.parametrize("t", [torch.tensor(0.3), torch.tensor([0.002, 80.0])], ids=["one", "each"])
def test_f5_f6_a_network_that_knows_its_target_is_the_exact_denoiser(t):
    schedule = VarianceExploding()
    exact = GaussianDenoiser(schedule, torch.tensor(0.2), torch.tensor(0.5))

    def network(x_in, time, source):
        sigma = (4 * time.double()).exp()
        torch.testing.assert_close(sigma, t.double().expand(2), rtol=1e-5, atol=0)
        x_t = x_in / C.c_in(t.double()).reshape(-1, 1, 1, 1)
        return C.target(exact(x_t, t), x_t, t.double())

    x_t = torch.randn(2, 3, 4, 4, dtype=torch.float64) * t.double().reshape(-1, 1, 1, 1)
    denoised = PreconditionedDenoiser(network, schedule, C)(x_t, t)
    torch.testing.assert_close(denoised, exact(x_t, t), rtol=0, atol=1e-12)
