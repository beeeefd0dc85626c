"""The back office's site."""

from unfold.sites import UnfoldAdminSite


class PayAdminSite(UnfoldAdminSite):
    site_header = "DZTech Pay"
    site_title = "DZTech Pay"
