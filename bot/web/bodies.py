"""Reading what clients send."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bot.errors import BadInputRefusal


async def read_json(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        BadInputRefusal: it is none.
    """
    try:
        data = await request.json()
    except ValueError as error:
        raise BadInputRefusal("What you sent is not valid JSON.") from error
    if not isinstance(data, dict):
        raise BadInputRefusal('Please send a JSON object, such as {"prompt": "lo-fi beat"}.')
    return data
