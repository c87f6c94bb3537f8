"""The manual of the layer types, made from the registry and the schema."""

from netc.manual.pages import Page as Page
from netc.manual.pages import families as families
from netc.manual.pages import page as page
from netc.manual.pages import sentence as sentence
from netc.manual.render import index as index
from netc.manual.render import listing as listing
from netc.manual.render import markdown as markdown
from netc.manual.render import table as table
from netc.manual.render import text as text
