using System.Text.Json;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Operations.Tests.Schedules.ScheduleOwners;

namespace ConcertSaga.Operations.Tests.Schedules;

/// <summary>A cancelled schedule: first its sale ends, then each of its reservations is cancelled once.</summary>
public sealed class ScheduleCancellationTests(PostgreSqlServer server)
{
    private static readonly object Reason = new { reason = "The band is ill." };

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Cancel_OfManyReservations_ChangesEachOnce(DatabaseProvider provider)
    {
        await using var owners = await ScheduleOwners.StartAsync();
        await using var operations = await StartAsync(provider, owners);
        // More than one choice returns. One database proves the limit of ten thousand, and the other one gets smaller choices.
        var isSmall = provider == DatabaseProvider.Sqlite;
        var count = isSmall ? 1_150 : 10_150;
        if (isSmall)
            owners.MaxChosen = 1_000;
        for (var i = 0; i < count; i++)
            owners.Cancellable.TryAdd(Guid.CreateVersion7(), true);
        owners.Skipped = owners.Cancellable.Keys.Order().ElementAt(150);
        var ids = owners.Cancellable.Keys.Order().ToList();

        var operation = await CancelAsync(operations);

        Assert.Equal(("Completed", count, count - 1, 1, 0), (
            operation.GetProperty("status").GetString(), operation.GetProperty("matched").GetInt32(),
            operation.GetProperty("succeeded").GetInt32(), operation.GetProperty("skipped").GetInt32(),
            operation.GetProperty("failed").GetInt32()));
        Assert.Equal(ids, owners.Changes.Keys.Order());
        Assert.All(owners.Changes.Values, actions => Assert.Single(actions));
        Assert.Equal(ids.Count, owners.Changes.Values.SelectMany(actions => actions).Distinct().Count());
        var filter = owners.Filters.First();
        Assert.Equal((ScheduleId, CancelledAt.AddMinutes(1)),
            (filter.GetProperty("scheduleId").GetInt32(), filter.GetProperty("createdTo").GetDateTimeOffset()));
        var command = Assert.Single(owners.Cancellations.Distinct());
        Assert.Equal((operation.GetProperty("operationId").GetGuid(), "olga", "The band is ill."),
            (command.ActionId, command.Operator, command.Reason));
    }

    [Fact]
    public async Task Cancel_WhileSeatsFails_EndsTheSaleBeforeItChoosesAny()
    {
        await using var owners = await ScheduleOwners.StartAsync();
        await using var operations = await StartAsync(DatabaseProvider.Sqlite, owners);
        owners.Cancellable.TryAdd(Guid.CreateVersion7(), true);
        owners.Failures = 2;

        var operation = await CancelAsync(operations);

        Assert.Equal((1, 1), (operation.GetProperty("matched").GetInt32(), operation.GetProperty("succeeded").GetInt32()));
        Assert.Single(owners.Changes);
    }

    [Fact]
    public async Task Cancel_OfAScheduleWithoutReservations_Completes()
    {
        await using var owners = await ScheduleOwners.StartAsync();
        await using var operations = await StartAsync(DatabaseProvider.Sqlite, owners);

        var operation = await CancelAsync(operations);

        Assert.Equal(("Completed", "CancelSchedule", 0), (operation.GetProperty("status").GetString(),
            operation.GetProperty("kind").GetString(), operation.GetProperty("matched").GetInt32()));
        Assert.NotEmpty(owners.Cancellations);
    }

    [Theory]
    [InlineData(ScheduleId, "x", null, 403, "FORBIDDEN")]
    [InlineData(ScheduleId, "", "ops", 422, "INVALID_REASON")]
    [InlineData(8, "x", "ops", 404, "SCHEDULE_NOT_FOUND")]
    public async Task Cancel_ThatIsInvalid_StartsNothing(int scheduleId, string reason, string? roles, int status, string code)
    {
        await using var owners = await ScheduleOwners.StartAsync();
        await using var operations = await StartAsync(DatabaseProvider.Sqlite, owners);

        var answer = await operations.CallAsync(HttpMethod.Post, $"schedules/{scheduleId}/cancel", new { reason }, roles);

        Assert.Equal((status, code), (answer.Status, answer.Body.GetProperty("code").GetString()));
        Assert.Equal(0, await operations.ReadAsync(database => database.Operations.CountAsync()));
        Assert.Empty(owners.Cancellations);
    }

    [Fact]
    public async Task Cancel_WithoutSeats_IsRefusedAndStartsNothing()
    {
        var owners = await ScheduleOwners.StartAsync();
        await using var operations = await StartAsync(DatabaseProvider.Sqlite, owners);
        await owners.DisposeAsync();

        var answer = await operations.CallAsync(HttpMethod.Post, $"schedules/{ScheduleId}/cancel", Reason);

        Assert.Equal((503, "UNAVAILABLE"), (answer.Status, answer.Body.GetProperty("code").GetString()));
        Assert.Equal(0, await operations.ReadAsync(database => database.Operations.CountAsync()));
    }

    private async Task<OperationsUnderTest> StartAsync(DatabaseProvider provider, ScheduleOwners owners) =>
        await OperationsUnderTest.StartAsync(provider, server, settings:
            [("Operations:SeatsAddress", owners.Address), ("Operations:OrchestratorAddress", owners.Address)]);

    private static async Task<JsonElement> CancelAsync(OperationsUnderTest operations)
    {
        var (status, started) = await operations.CallAsync(HttpMethod.Post, $"schedules/{ScheduleId}/cancel", Reason);
        Assert.True(status == 202, $"{status} {started}");
        return await operations.EndedAsync(started.GetProperty("operationId").GetGuid());
    }
}
