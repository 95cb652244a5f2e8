/* Dates as signatures have them. Years 1970 to 9999; no clock and no locale is consulted. */
#include "api/sigv4/sigv4.h"

struct date {
    unsigned year, month, day, hour, minute, second;
};

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* Days from 1970-01-01, after Howard Hinnant's days_from_civil: years begin in March. */
static uint64_t days_from_date(const struct date *d)
{
    unsigned year = d->month > 2 ? d->year : d->year - 1;
    unsigned march_month = d->month > 2 ? d->month - 3 : d->month + 9;
    unsigned era = year / 400, year_of_era = year % 400;
    unsigned day_of_year = (153 * march_month + 2) / 5 + d->day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (uint64_t)era * 146097 + day_of_era - 719468;
}

static void date_from_days(uint64_t days, struct date *d)
{
    days += 719468;
    unsigned era = (unsigned)(days / 146097), day_of_era = (unsigned)(days % 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned march_month = (5 * day_of_year + 2) / 153;
    d->day = day_of_year - (153 * march_month + 2) / 5 + 1;
    d->month = march_month < 10 ? march_month + 3 : march_month - 9;
    d->year = year_of_era + era * 400 + (d->month <= 2 ? 1 : 0);
}

static bool is_date(const struct date *d)
{
    return d->year >= 1970 && d->month >= 1 && d->month <= 12 && d->day >= 1 &&
           d->day <= month_days(d->year, d->month) && d->hour < 24 && d->minute < 60 && d->second <= 60;
}

static uint64_t date_to_us(const struct date *d)
{
    uint64_t seconds = days_from_date(d) * 86400 + d->hour * 3600 + d->minute * 60 + d->second;
    return seconds * 1000000;
}

static void put_digits(char *to, unsigned count, unsigned value)
{
    for (; count > 0; count--, value /= 10)
        to[count - 1] = (char)('0' + value % 10);
}

void sigv4_date_format(uint64_t wall_us, char to[SIGV4_DATE_CHARS + 1])
{
    uint64_t seconds = wall_us / 1000000;
    unsigned of_day = (unsigned)(seconds % 86400);
    struct date d;
    date_from_days(seconds / 86400, &d);
    put_digits(to, 4, d.year);
    put_digits(to + 4, 2, d.month);
    put_digits(to + 6, 2, d.day);
    to[8] = 'T';
    put_digits(to + 9, 2, of_day / 3600);
    put_digits(to + 11, 2, of_day / 60 % 60);
    put_digits(to + 13, 2, of_day % 60);
    to[15] = 'Z';
    to[16] = '\0';
}

static bool read_digits(struct slice text, size_t at, size_t count, unsigned *ret_value)
{
    unsigned value = 0;
    for (size_t i = at; i < at + count; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    *ret_value = value;
    return true;
}

static bool read_clock(struct slice text, size_t at, size_t step, struct date *d)
{
    return read_digits(text, at, 2, &d->hour) && read_digits(text, at + step, 2, &d->minute) &&
           read_digits(text, at + 2 * step, 2, &d->second);
}

static bool parse_iso(struct slice text, struct date *d)
{
    return text.length == SIGV4_DATE_CHARS && text.data[8] == 'T' && text.data[15] == 'Z' &&
           read_digits(text, 0, 4, &d->year) && read_digits(text, 4, 2, &d->month) &&
           read_digits(text, 6, 2, &d->day) && read_clock(text, 9, 2, d);
}

static bool read_month(struct slice text, size_t at, unsigned *ret_month)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (unsigned month = 0; month < 12; month++) {
        if (memcmp(text.data + at, names + 3 * (size_t)month, 3) == 0) {
            *ret_month = month + 1;
            return true;
        }
    }
    return false;
}

static bool is_utc(struct slice zone)
{
    return slice_equal_string(zone, " GMT") || slice_equal_string(zone, " UTC") ||
           slice_equal_string(zone, " -0000") || slice_equal_string(zone, " +0000");
}

/* "Sat, 21 Nov 2026 05:21:29 GMT"; botocore writes the zone as "-0000". */
static bool parse_rfc1123(struct slice text, struct date *d)
{
    return text.length >= 29 && is_utc(slice_from(text, 25)) && text.data[3] == ',' && text.data[19] == ':' &&
           text.data[22] == ':' && read_digits(text, 5, 2, &d->day) && read_month(text, 8, &d->month) &&
           read_digits(text, 12, 4, &d->year) && read_clock(text, 17, 3, d);
}

bool sigv4_date_parse(struct slice text, uint64_t *ret_wall_us)
{
    struct date d;
    if ((!parse_iso(text, &d) && !parse_rfc1123(text, &d)) || !is_date(&d))
        return false;
    *ret_wall_us = date_to_us(&d);
    return true;
}
