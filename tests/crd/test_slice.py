from crd.building import hook, infos, order


async def test_an_order_without_documents_is_answered(world):
    response = await world.hook(hook(order("E1390"), version="2.2"))
    assert response.status_code == 200, response.text
    print(response.text)
    (info,) = infos(response.json())
    assert info["covered"] == "covered"
    assert info["pa-needed"] == "auth-needed"
