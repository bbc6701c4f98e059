"""The presentation kit: layouts, macros, style, text in two languages, forms and problems.

It owns no page of the product and no table. Feature modules bring templates in
``templates/<module>/``, text in ``locale/{zh-CN,en}.toml`` and scripts in
``web/static/js/<module>/``, and render with :func:`shanmen.web.render.page`.

The application registers everything with one plugin::

    from shanmen.web.plugin import WebConfig, WebPlugin

    app = Litestar(
        route_handlers=[...],
        plugins=[WebPlugin(WebConfig(secret=settings.web_secret, secure=settings.https))],
    )

That adds the static files under ``/static``, the exception handlers (an HTML page for
people, ``application/problem+json`` for programs), compression, the guard against
cross-site requests and the security headers.

Invariants: a page has no inline script or style, so the content security policy stays
strict; every text is in both languages; every page works without JavaScript unless its
purpose (a camera, a chart) is impossible without it.
"""
