"""What LSTM, RNN and LSTMUnit refuse."""

from __future__ import annotations

from ..layers.test_bad_input import Bad

X, CONT, STATE = (4, 3, 2), (4, 3), (1, 3, 5)
SIZE = "recurrent_param { num_output: 5 }"
EXPOSED = "recurrent_param { num_output: 5 expose_hidden: true }"
UNIT = "LSTMUnit takes the cell state 1 x N x H, gates 1 x N x 4 H and cont 1 x N:"

# fmt: off
BAD = [
    Bad(type, fields, bottoms, message, at, hint, tops)
    for type in ("LSTM", "RNN")
    for fields, bottoms, message, at, hint, tops in (
        (SIZE, [(4, 3), CONT],
            "bottom[0] must have at least 3 axes -- (#timesteps, #streams, ...): 'x0' is 4 x 3",
            "'x0'", "one number per step is T x N x 1", 1),
        (SIZE, [X, (4, 3, 1)],
            "bottom[1] must have exactly 2 axes -- (#timesteps, #streams): 'x1' is 4 x 3 x 1, "
            "'x0' is 4 x 3 x 2", "'x1'", None, 1),
        (SIZE, [X, (3, 4)],
            "bottom[1] must have exactly 2 axes -- (#timesteps, #streams): 'x1' is 3 x 4, "
            "'x0' is 4 x 3 x 2", "'x1'", None, 1),
        (SIZE, [X, CONT, (4, 2)],
            "The static input must be (#streams, ...): 'x2' is 4 x 2, 'x0' (4 x 3 x 2) has 3 "
            "streams", "'x2'", None, 1),
        (SIZE, [X, CONT, (3,)],
            "The static input must be (#streams, ...): 'x2' is 3, 'x0' (4 x 3 x 2) has 3 streams",
            "'x2'", None, 1),
        ("", [X, CONT], "num_output must be positive, got 0", "layer", None, 1),
        ("recurrent_param { num_output: ^0 }", [X, CONT], "num_output must be positive, got 0", "",
            None, 1),
        ("recurrent_param { num_output: 5 ^weight_filler { type: 'xaver' } }", [X, CONT],
            "Unknown filler name: xaver", "", "did you mean 'xavier'?", 1),
        (f"{SIZE} propagate_down: true propagate_down: ^true", [X, CONT],
            "Cannot backpropagate to sequence indicators.", "", None, 1),
        (SIZE, [X, CONT, (3, 2), (3, 2)],
            f"{type} Layer takes at most 3 bottom blob(s) as input, got 4.", "'x3'", None, 1),
        (SIZE, [X, CONT], f"{type} Layer produces 1 top blob(s) as output, got 2.", "'label'", None,
            2),
    )
] + [
    Bad("LSTM", EXPOSED, [X, CONT, STATE],
        "LSTM Layer takes at least 4 bottom blob(s) as input, got 3.", "'x2'", tops=3),
    Bad("LSTM", EXPOSED, [X, CONT, STATE, STATE],
        "LSTM Layer produces 3 top blob(s) as output, got 2.", "'label'", tops=2),
    Bad("LSTM", EXPOSED, [X, CONT, STATE, (3, 5)],
        "bottom[3] shape must match hidden state input shape: 1 x 3 x 5, 'x3' is 3 x 5", "'x3'",
        tops=3),
    Bad("RNN", EXPOSED, [X, CONT],
        "RNN Layer takes at least 3 bottom blob(s) as input, got 2.", "'x1'", tops=2),
    Bad("RNN", EXPOSED, [X, CONT, STATE],
        "RNN Layer produces 2 top blob(s) as output, got 1.", "'data'"),
    Bad("RNN", EXPOSED, [X, CONT, (1, 3, 4)],
        "bottom[2] shape must match hidden state input shape: 1 x 3 x 5, 'x2' is 1 x 3 x 4", "'x2'",
        tops=2),
    Bad("LSTMUnit", "", [(1, 3, 4), (1, 3, 12), (1, 3)],
        f"{UNIT} bottom[1] 'x1' is 1 x 3 x 12, bottom[0] 1 x 3 x 4", "'x1'", tops=2),
    Bad("LSTMUnit", "", [(2, 3, 4), (2, 3, 16), (2, 3)],
        f"{UNIT} bottom[0] 'x0' is 2 x 3 x 4, bottom[0] 2 x 3 x 4", "'x0'", tops=2),
    Bad("LSTMUnit", "", [(3, 4), (1, 3, 16), (1, 3)],
        f"{UNIT} bottom[0] 'x0' is 3 x 4, bottom[0] 3 x 4", "'x0'", tops=2),
    Bad("LSTMUnit", "", [(1, 3, 4), (1, 3, 16), (1, 3, 1)],
        f"{UNIT} bottom[2] 'x2' is 1 x 3 x 1, bottom[0] 1 x 3 x 4", "'x2'", tops=2),
]
# fmt: on
