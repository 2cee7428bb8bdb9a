using ConcertSaga.OperatorConsole.Parts;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

public sealed class ObjectLinksTests
{
    [Theory]
    [InlineData("reservations/1", "/ops/reservations/1")]
    [InlineData("deliveries/1", "/ops/deliveries/1")]
    [InlineData("deliveries/destination", "/ops/deliveries")]
    [InlineData("failed-messages/1", "/ops/failed-messages/1")]
    [InlineData("operations/1", "/ops/operations/1")]
    [InlineData("schedules/1", "/ops/schedules/1")]
    [InlineData("waiting-rooms/1", "/ops/waiting-rooms/1")]
    [InlineData("invariants/SeatsSoldOnce", "/ops/invariants")]
    [InlineData("accounts/a/b&c", "/ops/customers?userId=a%2Fb%26c")]
    [InlineData("customers/erased-1", "/ops/customers?userId=erased-1")]
    [InlineData("something/1", null)]
    public void Object_WithAPage_HasALink(string target, string? link) => Assert.Equal(link, ObjectLinks.Of(target));
}
