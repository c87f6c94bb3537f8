"""Files of blobs: weights and solver states, in Caffe's formats."""

from netc.weights.content import LayerWeights as LayerWeights
from netc.weights.content import WeightFile as WeightFile
from netc.weights.files import read_weights as read_weights
from netc.weights.files import write_weights as write_weights
from netc.weights.state import SolverStateFile as SolverStateFile
from netc.weights.state import read_state as read_state
from netc.weights.state import write_state as write_state
