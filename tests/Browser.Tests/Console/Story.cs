using Xunit;

namespace ConcertSaga.Browser.Tests.Console;

/// <summary>The tests of the console share what has happened on the site.</summary>
[CollectionDefinition(Name)]
public sealed class ConsoleCollection : ICollectionFixture<Story>
{
    public const string Name = "Console";
}

/// <summary>What has happened on the site before an operator looks: reservations in several states, and failed messages.</summary>
public sealed class Story(ConsoleSite site) : IAsyncLifetime
{
    /// <summary>Paid and confirmed.</summary>
    public Guid Confirmed { get; private set; }

    /// <summary>Paid, but Seats does not reply.</summary>
    public Guid Waiting { get; private set; }

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        for (var i = 1; i <= 6; i++)
            Confirmed = await site.ReserveAsync($"fan-{i}", 1, [i, i + 20], pays: true);
        await site.ReserveAsync("mina", 1, [50], pays: false);
        await site.FaultsAsync("""{"ConfirmSeats":{"DropRate":1}}""");
        Waiting = await WaitAsync("yuna", 45);
        for (var i = 1; i <= 3; i++)
            await FailAsync(i);
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Makes a reservation that awaits the reply of Seats, as long as the fault lasts.</summary>
    public Task<Guid> WaitAsync(string user, int seat) => site.ReserveAsync(user, 1, [seat], pays: true);

    /// <summary>Stores a failed message, as if a handler had thrown.</summary>
    public Task FailAsync(int number, string queue = "points-deduct") => site.ExecuteAsync("operations", """
        INSERT INTO FailedMessages (Queue, Kind, MessageId, MessageType, ExceptionType, ExceptionMessage, Fingerprint, ReceivedAt, Status,
            Size, ContentType, Headers, Body)
        VALUES ($queue, 'Error', $id, 'ConcertSaga.Contracts.Points.DeductPoints', 'System.TimeoutException',
            'The database did not answer.', $id, $at, 'Waiting', 2, 'application/json', '{}', $body)
        """, ("$queue", queue), ("$id", $"{number}"), ("$at", "2026-01-01 00:00:00.0000000+00:00"),
        ("$body", """{"reservationId":"1"}"""u8.ToArray()));
}
