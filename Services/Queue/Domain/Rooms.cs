using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Domain;

/// <summary>What holds in one waiting room: its own settings, or else the configured ones.</summary>
internal sealed record RoomSettings(int Capacity, int BatchSize, TimeSpan Interval, TimeSpan ClaimWindow, TimeSpan PassLifetime);

/// <summary>How a waiting room looks from outside.</summary>
internal sealed class Rooms(IOptions<QueueOptions> options, BookingWatch booking)
{
    /// <summary>How much the clocks of all processes differ at most. A slot is free this much after its offer or pass has ended.</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(5);

    public RoomSettings SettingsOf(QueueCounter room) => new(
        room.Capacity ?? options.Value.Capacity, room.BatchSize ?? options.Value.BatchSize, room.Interval ?? options.Value.Interval,
        room.ClaimWindow ?? options.Value.ClaimWindow, room.PassLifetime ?? options.Value.PassLifetime);

    public QueueAdmission AdmissionOf(QueueCounter room, DateTimeOffset now) =>
        room.SaleClosesAt <= now ? QueueAdmission.Closed
        : room.SaleOpensAt > now ? QueueAdmission.NotOpenYet
        : room.Paused ? QueueAdmission.Paused
        : booking.IsOpen ? QueueAdmission.Open : QueueAdmission.Suspended;

    public QueueAdvanced Describe(QueueCounter room, DateTimeOffset now) => new(
        room.ConcertId, room.Sequence, room.Serving, RateOf(room), now, room.NextNumber - 1, SettingsOf(room).BatchSize, room.SaleOpensAt,
        room.SaleClosesAt, AdmissionOf(room, now));

    // However long nobody has gone, those inside cannot stay longer than their passes.
    private double RateOf(QueueCounter room)
    {
        var settings = SettingsOf(room);
        var most = settings.BatchSize / settings.Interval.TotalSeconds;
        var least = settings.Capacity / (settings.PassLifetime + ClockSkew).TotalSeconds;
        return Math.Min(most, Math.Max(least, room.Rate ?? most));
    }
}
