using System.Text.Json;

namespace ConcertSaga.OperatorConsole.Api;

public sealed record RoomShown(
    int ConcertId, string Admission, string? Reason, DateTimeOffset SaleOpensAt, DateTimeOffset SaleClosesAt, long Issued, long Serving,
    long Waiting, long Offered, long Active, long SlotsTaken, double Rate, RoomSettingsShown Settings, RoomSettingsShown Effective,
    RoomMinuteShown[]? Minutes);

public sealed record RoomMinuteShown(DateTimeOffset At, long Entered, long Admitted, long InLine, int SlotsTaken);

public sealed record RoomSettingsShown(
    int? Capacity, int? BatchSize, TimeSpan? Interval, TimeSpan? ClaimWindow, TimeSpan? PassLifetime, bool Paused);

public sealed record ConcertShown(
    int ConcertId, string Title, string Venue, DateTimeOffset? FirstDate, DateTimeOffset? LastDate, DateTimeOffset SaleOpensAt,
    DateTimeOffset SaleClosesAt);

public sealed record ScheduleShown(int ScheduleId, DateTimeOffset StartsAt, int TotalSeats, int AvailableSeats, bool Cancelled);

public sealed record SeatMapShown(int ScheduleId, long Version, SeatShown[] Seats, DateTimeOffset StartsAt, bool Cancelled);

public sealed record SeatShown(int Number, long Price, string Status);

public sealed record DeliveryShown(
    Guid DeliveryId, Guid ReservationId, string EventType, int Sequence, string Status, int Attempts, DateTimeOffset? NextAttemptAt,
    DateTimeOffset CreatedAt, DateTimeOffset? CompletedAt, string? LastError);

public sealed record DeliveryReport(
    DeliveryShown Delivery, JsonElement Body, AttemptShown[] Attempts, DeliveryActionShown[] Actions);

public sealed record AttemptShown(int Number, DateTimeOffset At, int? StatusCode, int DurationMilliseconds, string? Error);

public sealed record DeliveryActionShown(string Kind, DateTimeOffset At, string By, string Reason);

public sealed record DestinationShown(
    string? Address, DateTimeOffset? PausedAt, string? PausedBy, string? PauseReason, string Breaker, string? Trouble,
    DateTimeOffset? TroubledSince, DateTimeOffset? NextTrialAt, double? DeliveriesPerSecond, DateTimeOffset? ReconciledTo,
    DeliveryActionShown[] Actions);
