"""Logs of training, Caffe's and netc's: what they tell, as tables and as curves."""

from netc.logs.columns import write_csv as write_csv
from netc.logs.curves import charts as charts
from netc.logs.read import Log as Log
from netc.logs.read import read_log as read_log
