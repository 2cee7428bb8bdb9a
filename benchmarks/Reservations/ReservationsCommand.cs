using System.CommandLine;

namespace ConcertSaga.Benchmarks.Reservations;

internal static class ReservationsCommand
{
    public static Command Create() => new("reservations", "later");
}
