namespace ConcertSaga.Browser.Tests.Console;

/// <summary>The site of operators, who change schedules, waiting rooms and faults. Customers have another one.</summary>
public sealed class ConsoleSite : Site;
