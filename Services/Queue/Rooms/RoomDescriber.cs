using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Rooms;

/// <summary>The effective settings of one waiting room: its own, or else the configured ones.</summary>
internal sealed record RoomSettings(int Capacity, int BatchSize, TimeSpan Interval, TimeSpan ClaimWindow, TimeSpan PassLifetime);

/// <summary>Works out the settings and the state of a waiting room, and describes the room to gateways.</summary>
internal sealed class RoomDescriber(IOptions<QueueOptions> options, BookingWatch booking, SoldOutConcerts soldOut)
{
    // An older version may have stored a shorter one.
    private static readonly TimeSpan MinClaimWindow = TimeSpan.FromSeconds(QueueTokenView.MinClaimSeconds);

    public RoomSettings SettingsOf(WaitingRoom room)
    {
        var configured = options.Value;
        var interval = room.Interval ?? configured.Interval;
        var claimWindow = room.ClaimWindow ?? configured.ClaimWindow;
        return new RoomSettings(
            room.Capacity ?? configured.Capacity, room.BatchSize ?? configured.BatchSize,
            room.Interval < configured.EffectiveTickInterval ? configured.EffectiveTickInterval : interval,
            room.ClaimWindow < MinClaimWindow ? MinClaimWindow : claimWindow, room.PassLifetime ?? configured.PassLifetime);
    }

    public QueueAdmission AdmissionOf(WaitingRoom room, DateTimeOffset now) =>
        room.SaleClosesAt <= now ? QueueAdmission.Closed
        : room.SaleOpensAt > now ? QueueAdmission.NotOpenYet
        : room.Paused ? QueueAdmission.Paused
        : booking.IsOpen ? QueueAdmission.Open : QueueAdmission.Suspended;

    /// <summary>Explains why a room admits no customer; null while it admits.</summary>
    public string? ReasonOf(WaitingRoom room, DateTimeOffset now) => AdmissionOf(room, now) switch
    {
        QueueAdmission.Open => null,
        QueueAdmission.NotOpenYet => "The sale has not begun.",
        QueueAdmission.Paused => "An operator has paused the room.",
        QueueAdmission.Closed => "The sale is over.",
        _ => booking.ReasonOf(booking.State)
    };

    public QueueAdvanced Describe(WaitingRoom room, DateTimeOffset now)
    {
        var settings = SettingsOf(room);
        return new QueueAdvanced(
            room.ConcertId, room.Sequence, room.Serving, RateOf(room, settings), now, room.NextNumber - 1, settings.BatchSize,
            room.SaleOpensAt, room.SaleClosesAt, AdmissionOf(room, now), room.Gaps is null ? null : [.. GapList.Read(room.Gaps)],
            settings.ClaimWindow.TotalSeconds, settings.Interval.TotalSeconds, soldOut.Contains(room.ConcertId));
    }

    // Expiring passes alone guarantee a minimum rate, even if no customer leaves early.
    private static double RateOf(WaitingRoom room, RoomSettings settings)
    {
        var max = Math.Min(settings.BatchSize, settings.Capacity) / settings.Interval.TotalSeconds;
        var min = settings.Capacity / (settings.PassLifetime + ClockSkew.Tolerance).TotalSeconds;
        return Math.Min(max, Math.Max(min, room.Rate ?? max));
    }
}
