"""netc compiles Caffe nets and solvers to jitted JAX programs."""

__version__ = "0.1.0"
