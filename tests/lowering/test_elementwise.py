"""Powers and softplus: values, gradients, and both at their edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.lowering.elementwise import power, softplus

EXPONENTS = [0.5, -0.5, 0.37, 1.7, -2.3, 2.0, 3.0, -1.0, 1.0]


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_power(exponent):
    x = np.geomspace(1e-6, 1e6, 1000, dtype=np.float32)
    y, pull = jax.vjp(lambda x: power(x, exponent), x)
    exact = x.astype(np.float64) ** exponent
    np.testing.assert_allclose(y, exact, rtol=3e-6)
    slope = exponent * x.astype(np.float64) ** (exponent - 1)
    np.testing.assert_allclose(pull(np.ones_like(x))[0], slope, rtol=3e-6)


@pytest.mark.parametrize(
    ("exponent", "value", "slope"),
    [(0.5, 0, 0), (0.37, 0, 0), (1.7, 0, 0), (2.0, 0, 0), (3.0, 0, 0), (1.0, 0, 1)],
)
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_power_at_zero(exponent, value, slope, zero):
    y, pull = jax.vjp(lambda x: power(x, exponent), jnp.array([zero]))
    assert (float(y[0]), float(pull(jnp.ones(1))[0][0])) == (value, slope)


@pytest.mark.parametrize("exponent", [-0.5, -0.3, -1.0])
def test_a_negative_power_of_zero_is_infinite(exponent):
    assert power(jnp.zeros(1), exponent)[0] == jnp.inf


@pytest.mark.parametrize("exponent", [0.5, -0.5, 0.37, -1.7])
def test_a_broken_power_of_a_negative_number_is_no_number(exponent):
    assert jnp.isnan(power(jnp.array([-2.0]), exponent)[0])


@pytest.mark.parametrize("exponent", [0.37, -2.3])
def test_a_power_in_bfloat16_is_as_exact_as_the_type(exponent):
    x = jnp.asarray(np.geomspace(1e-5, 1e5, 200), "bfloat16")
    y = power(x, exponent)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(
        np.asarray(y, np.float64), np.asarray(x, np.float64) ** exponent, rtol=2**-8
    )


def test_softplus():
    x = np.linspace(-85, 85, 5001).astype(np.float32)
    y, pull = jax.vjp(jax.jit(softplus), x)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(y, np.logaddexp(wide, 0), rtol=4e-7)
    np.testing.assert_allclose(pull(np.ones_like(x))[0], 1 / (1 + np.exp(-wide)), atol=2e-7)


@pytest.mark.parametrize(
    ("x", "value", "slope"),
    [(jnp.inf, jnp.inf, 1), (-jnp.inf, 0, 0), (1e30, 1e30, 1), (-1e30, 0, 0)],
)
def test_softplus_far_out(x, value, slope):
    y, pull = jax.vjp(softplus, jnp.array(x))
    assert y == jnp.float32(value) and pull(jnp.ones(()))[0] == slope
    assert jnp.isnan(softplus(jnp.array(jnp.nan)))
