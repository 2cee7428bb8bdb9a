using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using CsCheck;
using Xunit;
using static ConcertSaga.Seats.Tests.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests;

public sealed class AnySequenceTests(PostgreSqlServer server)
{
    private const int Reservations = 5;

    // Three commands at a time, about few reservations and few seats, so that they meet.
    private static readonly Gen<(int Kind, int Reservation)[][]> Sequences =
        Gen.Select(Gen.Int[0, 4], Gen.Int[0, Reservations - 1]).Array[3].Array[1, 6];

    private static readonly Gen<int[][]> Wishes = Gen.Int[1, 6].Array[1, 3].Array[Reservations];

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Commands_InAnySequence_LeaveSeatsHoldsAndCountInAgreement(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server, ("Seats:MaxPerUserAndConcert", "1000"));

        await Gen.Select(Wishes, Sequences).SampleAsync(
            async (wishes, sequence) =>
            {
                var scheduleId = await seats.AddDateAsync(seats: 6);
                var holds = wishes.Select(wish => Hold(scheduleId, [.. wish.Distinct().Order()])).ToArray();
                foreach (var together in sequence)
                {
                    await Task.WhenAll(together.Select(step => step.Kind switch
                    {
                        0 or 1 => seats.AskAsync(holds[step.Reservation]),
                        2 => seats.ConfirmAsync(holds[step.Reservation].ReservationId),
                        _ => seats.ReleaseAsync(holds[step.Reservation].ReservationId)
                    }));
                    await seats.AssertConsistentAsync(scheduleId);
                }
            },
            iter: 40, threads: 1);
    }
}
