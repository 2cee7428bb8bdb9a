using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Import;
using ConcertSaga.Seats.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Failures;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using CsCheck;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests;

/// <summary>
/// Seats, holds and the count of a schedule agree after any sequence of commands, interrupted at any point. Interrupted commands are
/// retried, as after a kill, even if they were already committed.
/// </summary>
public sealed class AnySequenceTests(PostgreSqlServer server) : IDisposable
{
    private const int Reservations = 5, Seats = 6;

    private enum Kind
    {
        Hold,
        Confirm,
        Release,
        Import
    }

    private static readonly Gen<Kind> Kinds = Gen.Frequency(
        (6, Gen.Const(Kind.Hold)), (3, Gen.Const(Kind.Confirm)), (5, Gen.Const(Kind.Release)), (1, Gen.Const(Kind.Import)));

    // Three commands at a time, for few reservations and few seats, so that they conflict. Some of them are interrupted.
    private static readonly Gen<(Kind Kind, int Reservation, int Interruption)[][]> Sequences =
        Gen.Select(Kinds, Gen.Int[0, Reservations - 1], Gen.Frequency((3, Gen.Const(0)), (1, Gen.Int[1, 14]))).Array[3].Array[1, 6];

    private static readonly Gen<int[][]> Wishes = Gen.Int[1, Seats + 2].Array[1, 3].Array[Reservations];

    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-sequences-").FullName;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, MemberData(nameof(Providers))]
    public async Task Commands_InAnySequence_LeaveSeatsHoldsAndCountInAgreement(DatabaseProvider provider)
    {
        var interruption = new Interruption();
        await using var seats = await StartAsync(provider, server, interruption, ("Seats:MaxPerUserAndConcert", "1000"));

        await Gen.Select(Wishes, Sequences).SampleAsync(
            async (wishes, sequence) =>
            {
                var scheduleId = await seats.AddScheduleAsync(Seats);
                var holds = wishes.Select(wish => Hold(scheduleId, [.. wish.Distinct().Order()])).ToArray();
                var lastNumber = Seats;
                foreach (var together in sequence)
                {
                    interruption.After(together.Sum(action => action.Interruption));
                    await Task.WhenAll(together.Select(action => action.Kind switch
                    {
                        Kind.Hold => seats.AskAsync(holds[action.Reservation]),
                        Kind.Confirm => seats.ConfirmAsync(holds[action.Reservation].ReservationId),
                        Kind.Release => seats.ReleaseAsync(holds[action.Reservation].ReservationId),
                        _ => ImportAsync(seats, scheduleId, Interlocked.Increment(ref lastNumber))
                    }));
                    interruption.After(0);
                    await seats.AssertConsistentAsync(scheduleId);
                }
            },
            iter: 60, threads: 1);
        Assert.True(interruption.Count > 20, $"only {interruption.Count} interruptions");
    }

    // Like an operator, repeats the import until its success is confirmed.
    private async Task<object> ImportAsync(SeatsUnderTest seats, int scheduleId, int number)
    {
        var file = Path.Combine(_folder, $"{scheduleId}-{number}.csv");
        await File.WriteAllTextAsync(file, $"scheduleId,number,price\n{scheduleId},{number},100\n");
        while (true)
        {
            try
            {
                return await seats.Service.WithAsync<SeatsDbContext, ImportResult>(database =>
                    SeatImport.RunAsync(database, [file], dryRun: false, null, CancellationToken.None));
            }
            catch (Exception exception) when (FailurePolicy.IsTransient(exception))
            {
            }
        }
    }
}
