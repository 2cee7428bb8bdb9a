using System.Net.Http.Json;
using ConcertSaga.Contracts.DataPlatform;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

public sealed class DeliveryCheckEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Check_OfSomeReservations_NamesTheUndeliveredOnes(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = await relay.ReceiveAsync(4);
        var (dead, pending) = (confirmed[0].ReservationId, confirmed[1].ReservationId);
        relay.Platform.Answer = (arrival, context) =>
        {
            context.Response.StatusCode = arrival.ReservationId == dead ? 400 : 200;
            return Task.CompletedTask;
        };
        await relay.SendDueAsync();
        // Its first event is delivered, and its second one is not.
        await relay.ReceiveAsync(RelayUnderTest.Cancelled(confirmed[1]));
        var unknown = Guid.CreateVersion7();

        var before = await CheckAsync(relay, [.. confirmed.Select(message => message.ReservationId), unknown]);
        await relay.WithAsync<DataPlatformDbContext, int>(database => database.Destinations
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.ReconciledTo, RelayUnderTest.Now)));
        var after = await CheckAsync(relay, [dead, confirmed[2].ReservationId]);

        Assert.Equal(new[] { dead, pending }.Order(), before.Undelivered.Order());
        Assert.Null(before.ReconciledTo);
        Assert.Equal([dead], after.Undelivered);
        Assert.Equal(RelayUnderTest.Now, after.ReconciledTo);
    }

    private static async Task<DeliveryCheckResult> CheckAsync(RelayUnderTest relay, Guid[] ids)
    {
        using var client = relay.Gateway();
        using var answer = await client.PostAsJsonAsync("/internal/deliveries/check", new DeliveryCheck(ids));
        return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<DeliveryCheckResult>())!;
    }
}
