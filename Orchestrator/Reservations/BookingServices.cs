using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>The services of the handlers of <c>/api/reservations</c>.</summary>
public sealed record BookingServices(
    OrchestratorDbContext Database, CommandGroups<ReservationAdmission> Admissions, AnswerWaiter Answers, BookingGate Gate,
    RefusalLimit Refusals, ScheduleClient Schedules, ISendEndpointProvider Bus, IOptions<ReservationOptions> Options, TimeProvider Clock);
